// The command line: builds commander's program from the table, runs one command, maps what was thrown to an exit code.

import { CommanderError, Command as Program } from "commander";
import { readCommandStart, readMeshConfig } from "../app/config.ts";
import { runningMesh } from "../app/run-dir.ts";
import { MeshError } from "../lib/errors.ts";
import { type Command, type CommandContext, exitCode, type OptionValues } from "./command.ts";
import { commands } from "./commands/index.ts";
import { processTerminal, type Terminal } from "./output.ts";

const description = `Release software into live traffic: a service mesh with Istio's API on unmodified Envoy.`;

/** Runs one command; the arguments are those after the program's name. Never rejects. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const terminal = processTerminal(process.env);
  let code: number = exitCode.ok;
  const program = new Program("lateen")
    .description(description)
    .option("--mesh <name>", "the mesh to work on (default: the current folder's name, or the only one that runs)")
    .exitOverride()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
    .showSuggestionAfterError(true);
  for (const command of commands) {
    addCommand(program, command, async (input) => {
      const abort = abortOnSignals();
      const mesh = program.opts<{ mesh?: string }>().mesh;
      const config = readMeshConfig(process.env, { mesh, cwd: process.cwd() });
      const context: CommandContext = {
        config: command.onRunningMesh === true ? runningMesh(config) : config,
        commandStart: readCommandStart(process.env),
        terminal,
        env: process.env,
        cwd: process.cwd(),
        signal: abort.signal,
      };
      const run = await command.load();
      code = await run(input, context);
    });
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    return explain(error, terminal);
  }
}

function addCommand(
  program: Program,
  command: Command,
  action: (input: { args: readonly string[]; options: OptionValues }) => Promise<void>,
): void {
  const words = command.name.split(" ");
  const verb = words.at(-1) ?? command.name;
  const parent = words.length === 1 ? program : nounOf(program, words[0] ?? "");
  const built = parent
    .command(verb)
    .description(command.summary)
    .aliases(command.aliases ?? []);
  for (const argument of command.args ?? []) built.argument(argument.name, argument.description);
  for (const option of command.options ?? []) built.option(option.flags, option.description, option.default);
  if (command.examples !== undefined) built.addHelpText("after", `\nExamples:\n${command.examples.map((line) => `  ${line}`).join("\n")}`);
  built
    .exitOverride()
    .action(async () => action({ args: built.processedArgs.flat().filter((arg) => arg !== undefined), options: built.opts() }));
}

function nounOf(program: Program, noun: string): Program {
  const existing = program.commands.find((command) => command.name() === noun);
  return (
    existing ??
    program
      .command(noun)
      .description(nounSummaries[noun] ?? "")
      .exitOverride()
  );
}

const nounSummaries: Readonly<Record<string, string>> = {
  proxy: "look at the proxies",
  policy: "ask who may call whom",
  egress: "see what may not leave the mesh",
  ca: "look at the certificate authority and rotate its root",
};

/** The first signal aborts the command, which then tidies up; a second one ends the process at once. */
function abortOnSignals(): AbortController {
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (abort.signal.aborted) process.exit(exitCode.interrupted);
    abort.abort(new MeshError("unavailable", `stopped by ${signal}`));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
  return abort;
}

function explain(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  }
  const { colours } = terminal;
  const meshError = MeshError.from(error);
  terminal.err(`${colours.red("error:")} ${meshError.message}`);
  if (meshError.fix !== undefined) terminal.err(`${colours.dim("fix:")} ${meshError.fix}`);
  if (meshError.code === "internal" && meshError.cause instanceof Error) terminal.err(meshError.cause.stack ?? "");
  if (meshError.code === "usage") return exitCode.usage;
  if (meshError.code === "unavailable") return exitCode.unreachable;
  if (meshError.code === "timeout") return exitCode.timedOut;
  if (meshError.code === "invalid") return exitCode.badInput;
  return exitCode.failed;
}
