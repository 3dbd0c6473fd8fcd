// Starts a program under Node 24 in our place. Input: arguments; output: its exit code. Signals go on to it, its streams are ours.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { programOf } from "./command.mjs";
import { childEnv, node24Of } from "./locate.mjs";

const FORWARDED = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT"];
// A terminal sends these to the whole foreground group, so the child already has them: twice would mean "at once".
const FROM_TERMINAL = new Set(["SIGINT", "SIGQUIT"]);

/** The program and arguments that run Node 24 so that it gets SIGTERM when we are killed hard (setpriv is part of util-linux). */
function commandOf(args) {
  const node = node24Of();
  const setpriv = process.platform === "linux" ? programOf("setpriv") : undefined;
  return setpriv === undefined ? [node, args] : [setpriv, ["--pdeathsig", "TERM", node, ...args]];
}

/** Runs Node 24 with the arguments and resolves to the exit code; a signal gives 128 + its number. */
export function startNode24(args, options = {}) {
  const [program, programArgs] = commandOf(args);
  return startProgram(program, programArgs, { env: childEnv(), ...options });
}

/** Runs a program in our place: our streams, our signals, its exit code (128 + the signal that ended it). */
export function startProgram(program, args, { env = process.env, cwd = process.cwd(), stdin = "inherit" } = {}) {
  const child = spawn(program, args, { cwd, env, stdio: [stdin, "inherit", "inherit"] });
  const isTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const forward = (signal) => {
    if (!(isTerminal && FROM_TERMINAL.has(signal))) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      for (const name of FORWARDED) process.off(name, forward);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
