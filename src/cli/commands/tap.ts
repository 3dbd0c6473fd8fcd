// `lateen tap`: requests as they happen, and the rule that routed each; until Ctrl-C, a number of lines, or the mesh's end.

import { setTimeout as pause } from "node:timers/promises";
import { supervisorOf } from "../../app/run-dir.ts";
import type { ApiClient } from "../../http/client-types.ts";
import { type TapEvent, type TapLine, type TapQuery, tapQuerySchema } from "../../http/tap-contract.ts";
import { MeshError, UsageError } from "../../lib/errors.ts";
import { type CommandContext, type CommandInput, exitCode, formatOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { countOption, durationOption } from "../option-values.ts";
import { ReaderSignal } from "../reader-gone.ts";
import { TapTable } from "../tap-table.ts";
import { TapView } from "../tap-view.ts";

/** Between attempts while the control plane is away. */
const retryMs = 200;
/** Where nothing happens, a line says so every five seconds. */
const silentMs = 12_000;

export const runTap: RunCommand = async (input, context) => {
  const format = formatOption(input.options, ["table", "wide", "jsonl", "json"]);
  const query = queryOf(input);
  const limit = countOption(input.options, "limit", { of: "lines", least: 1 }) ?? Number.POSITIVE_INFINITY;
  const client = connect(context.config, context.terminal);
  const ended = new AbortController();
  using reader = new ReaderSignal(context.signal);
  const output = outputOf(format, context);
  try {
    const signal = AbortSignal.any([reader.signal, ended.signal]);
    let left = limit;
    for await (const line of linesUntilGone(client, { query, signal, context })) {
      if (line.type !== "event") {
        tellOf(line, context);
        continue;
      }
      output.event(line.event);
      left -= 1;
      if (left === 0) break;
    }
    return exitCode.ok;
  } finally {
    ended.abort();
    output.end();
    client.close();
  }
};

function queryOf({ args, options }: CommandInput): TapQuery {
  const texts = {
    party: args[0],
    from: textOption(options, "from"),
    to: textOption(options, "to"),
    namespace: options["allNamespaces"] === true ? undefined : textOption(options, "namespace"),
    version: textOption(options, "version"),
    method: textOption(options, "method"),
    path: textOption(options, "path"),
    status: textOption(options, "status")?.toLowerCase(),
    minDurationMs: durationOption(options, "minDuration", "100ms"),
    failed: options["failed"] === true ? "true" : undefined,
    mirrored: options["mirrored"] === true ? "true" : options["mirrored"] === false ? "false" : undefined,
  };
  const parsed = tapQuerySchema.safeParse(Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(`--${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`, { fix: "see `lateen tap --help`" });
}

interface TapRun {
  readonly query: TapQuery;
  readonly signal: AbortSignal;
  readonly context: CommandContext;
}

/** Lines while the mesh is there; a control plane that starts again is asked again. */
async function* linesUntilGone(client: ApiClient, { query, signal, context }: TapRun): AsyncGenerator<TapLine> {
  let wasThere = true;
  while (!signal.aborted) {
    let hearing: NodeJS.Timeout | undefined;
    try {
      for await (const line of client.tap(query, { signal })) {
        wasThere = true;
        hearing =
          hearing?.refresh() ?? setTimeout(() => context.terminal.err("the control plane says nothing any more; waiting for it"), silentMs);
        yield line;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (MeshError.from(error).code !== "unavailable") throw error;
    } finally {
      clearTimeout(hearing);
    }
    if (signal.aborted) return;
    if (supervisorOf(context.config) === undefined) {
      context.terminal.err(`the mesh "${context.config.mesh}" has ended`);
      return;
    }
    if (wasThere) context.terminal.err("the control plane is away; requests of this time are not shown");
    wasThere = false;
    await pause(retryMs, undefined, { signal }).catch(() => {});
  }
}

function tellOf(line: Exclude<TapLine, { readonly type: "event" }>, { terminal }: CommandContext): void {
  if (line.type === "watching") terminal.err(`watching ${line.proxies} ${line.proxies === 1 ? "proxy" : "proxies"}; Ctrl-C ends`);
  if (line.type === "dropped") terminal.err(`${line.count} lines were left out: they came faster than they could be shown`);
  if (line.type === "sampling") {
    terminal.err(line.percent === 100 ? "every request is shown again" : `too many requests: ${line.percent} % of them are shown`);
  }
}

interface TapOutput {
  event(event: TapEvent): void;
  end(): void;
}

function outputOf(format: "table" | "wide" | "jsonl" | "json", { terminal }: CommandContext): TapOutput {
  if (format === "jsonl") return { event: (event) => terminal.out(JSON.stringify(event)), end: () => {} };
  if (format === "json") {
    let first = true;
    return {
      event: (event) => {
        terminal.raw(`${first ? "[\n" : ",\n"}${JSON.stringify(event, null, 2)}`);
        first = false;
      },
      end: () => terminal.raw(first ? "[]\n" : "\n]\n"),
    };
  }
  return new TapTable(new TapView({ wide: format === "wide", terminal }), terminal);
}
