// A CLI command is an object in a table: noun and verb, its arguments and options, and what to run, loaded only when asked for.

import type { MeshConfig } from "../app/config.ts";
import { UsageError } from "../lib/errors.ts";
import type { Terminal } from "./output.ts";

/** Exit codes every command keeps to (sysexits.h where it has one). */
export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 64,
  badInput: 65,
  unreachable: 69,
  /** A release went back. */
  rolledBack: 70,
  /** A release is paused or undecided. */
  inconclusive: 75,
  findings: 79,
  timedOut: 124,
  interrupted: 130,
} as const;

export interface CommandContext {
  readonly config: MeshConfig;
  /** When the command was given, in milliseconds since the Unix epoch. */
  readonly commandStart: number;
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface CommandInput {
  readonly args: readonly string[];
  readonly options: OptionValues;
}

export type RunCommand = (input: CommandInput, context: CommandContext) => Promise<number>;

export interface CommandOption {
  /** commander's notation: "-f, --filename <path...>". */
  readonly flags: string;
  readonly description: string;
  readonly default?: string;
}

export interface Command {
  /** "apply", or "proxy list" for a verb under a noun. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** commander's notation: "<kind>", "[name]", "[names...]". */
  readonly args?: readonly { readonly name: string; readonly description: string }[];
  readonly options?: readonly CommandOption[];
  readonly examples?: readonly string[];
  /** Works on a mesh that runs: without --mesh the only running one is meant. */
  readonly onRunningMesh?: boolean;
  /** Imported when the command runs, so that `--help` stays quick. */
  readonly load: () => Promise<RunCommand>;
}

/** Reads an option that takes one text. */
export function textOption(options: OptionValues, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** Reads -o: one of the formats that a command has, the first when it isn't given. @throws UsageError for another one. */
export function formatOption<Format extends string>(options: OptionValues, formats: readonly [Format, ...Format[]]): Format {
  const text = textOption(options, "output") ?? formats[0];
  const found = formats.find((format) => format === text);
  if (found !== undefined) return found;
  throw new UsageError(`--output: this command has no output format "${text}"`, { fix: `use ${formats.join(" or ")}` });
}

/** Reads an option that may be given several times. */
export function listOption(options: OptionValues, name: string): readonly string[] {
  const value = options[name];
  if (Array.isArray(value)) return value;
  return typeof value === "string" ? [value] : [];
}
