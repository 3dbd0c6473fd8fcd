// Runs a tool and keeps what it printed. Input: program and argument array; output: exit status and bounded output. Never a shell.
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

const MAX_OUTPUT_CHARACTERS = 200_000;
// An ordinary user's PATH often lacks them, and nft and ip live there.
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** PATH with the system folders at its end. */
export function searchPath(env = process.env) {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...folders, ...SYSTEM_FOLDERS.filter((folder) => !folders.includes(folder))].join(delimiter);
}

/** The absolute path of a program on the search path that this user may run, or undefined. */
export function programOf(name, env = process.env) {
  for (const folder of searchPath(env).split(delimiter)) {
    const path = join(folder, name);
    if (isProgram(path)) return path;
  }
  return undefined;
}

/** Whether the path is a file that this user may run. */
export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program: {ok, status, output}; a program that cannot start gives status undefined and the reason as output.
 * onText(text, stop) sees all output as it comes and may stop the program.
 */
export function runCommand(program, args, { env = process.env, cwd, onText } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env: { ...env, PATH: searchPath(env) }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk) => {
      const text = chunk.toString();
      output = (output + text).slice(-MAX_OUTPUT_CHARACTERS);
      onText?.(text, () => child.kill());
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ ok: false, status: undefined, output: error.message }));
    child.on("close", (status, signal) =>
      resolve({ ok: status === 0, status: status ?? undefined, output: signal ? `${output}\nended by ${signal}` : output }),
    );
  });
}
