// `lateen graph` and `lateen edges`: who calls whom right now, from what the proxies have counted.

import { stringify } from "yaml";
import { type EdgeList, type EdgesRequest, maxEdgesWindowMs } from "../../http/edges-contract.ts";
import { parseDuration } from "../../lib/duration.ts";
import { MeshError, UsageError } from "../../lib/errors.ts";
import { type CommandInput, exitCode, formatOption, type OptionValues, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { dotOf, mermaidOf } from "../edge-export.ts";
import { edgesTable, graphTree } from "../edge-view.ts";
import { drawLive } from "../live.ts";
import type { Terminal } from "../output.ts";

type View = (list: EdgeList, terminal: Terminal, asked: string) => readonly string[];

/** The tree. */
export const runGraph: RunCommand = (input, context) => run(input, context, graphTree);
/** The table. */
export const runEdges: RunCommand = (input, context) => run(input, context, edgesTable);

const watchMs = 1000;

async function run({ args, options }: CommandInput, { config, terminal, signal }: Parameters<RunCommand>[1], view: View): Promise<number> {
  const format = formatOption(options, ["table", "json", "dot", "mermaid", "yaml"]);
  const request = requestOf(args, options);
  const showing = { format, view, terminal, asked: askedText(request, options) };
  const client = connect(config, terminal, { isLive: options["watch"] === true });
  const ask = async () => shownOf(await client.edges(request), options);
  try {
    if (options["watch"] !== true) {
      for (const line of linesOf(await ask(), showing)) terminal.out(line);
      return exitCode.ok;
    }
    if (format === "json") return await jsonLines(ask, terminal, signal);
    let last: readonly string[] = [];
    const lines = async () => {
      const list = await ask().catch((error: unknown) => awayOrGone(error, last.length > 0));
      if (typeof list === "string") return { lines: [...last, `\n${list}`], isLast: false };
      last = linesOf(list, showing);
      return { lines: last, isLast: false };
    };
    await drawLive(lines, { terminal: wholeScreen(terminal), signal, everyMs: watchMs });
    return exitCode.ok;
  } finally {
    client.close();
  }
}

/** What is said below old data: a control plane that starts again is waited for, and who goes while somebody watches isn't misspelt. */
function awayOrGone(error: unknown, wasThere: boolean): string {
  const { code, message } = MeshError.from(error);
  if (code === "unavailable") return "the control plane doesn't answer; these data are old";
  if (code === "not_found" && wasThere) return message;
  throw error;
}

/** Draws from the top: the graph may be longer than the screen, and its lines wider. */
function wholeScreen({ out, raw, isTty, columns }: Terminal): Pick<Terminal, "out" | "raw" | "isTty" | "columns"> {
  return { raw, columns, isTty: false, out: (text) => (isTty ? raw(`\u001b[H\u001b[2J${text}\n`) : out(`${text}\n`)) };
}

/** One answer a line, a second apart; none while the control plane is away. */
async function jsonLines(ask: () => Promise<EdgeList>, terminal: Terminal, signal: AbortSignal): Promise<number> {
  let last = "";
  const draw = async () => {
    const list = await ask().catch((error: unknown) => awayOrGone(error, last !== ""));
    last = typeof list === "string" ? last : JSON.stringify(list);
    return { lines: [last], isLast: false };
  };
  await drawLive(draw, { terminal: { ...terminal, isTty: false }, signal, everyMs: watchMs });
  return exitCode.ok;
}

function requestOf([service]: readonly string[], options: OptionValues): EdgesRequest {
  const window = textOption(options, "for") ?? "10s";
  const windowMs = parseDuration(window);
  if (windowMs === undefined || windowMs < 1000 || windowMs > maxEdgesWindowMs) {
    throw new UsageError(`--for ${window} is no duration from 1s to 6h`, { fix: "write for example --for 5m" });
  }
  const namespace = textOption(options, "namespace");
  if (namespace !== undefined && options["allNamespaces"] === true) {
    throw new UsageError("--namespace and --all-namespaces exclude each other", {
      fix: "leave one of them out; all namespaces is the default",
    });
  }
  return {
    windowMs: Math.round(windowMs / 1000) * 1000,
    ...(namespace === undefined ? {} : { namespace }),
    ...(service === undefined ? {} : { service }),
  };
}

function shownOf(list: EdgeList, options: OptionValues): EdgeList {
  return options["live"] === true ? { ...list, edges: list.edges.filter(({ state }) => state === "live") } : list;
}

/** " of web in namespace shop in the last 10s"; "" for all. */
function askedText({ service, namespace }: EdgesRequest, options: OptionValues): string {
  const window = options["live"] === true ? ` in the last ${textOption(options, "for") ?? "10s"}` : "";
  return `${service === undefined ? "" : ` of ${service}`}${namespace === undefined ? "" : ` in namespace ${namespace}`}${window}`;
}

interface Showing {
  readonly format: "table" | "json" | "dot" | "mermaid" | "yaml";
  readonly view: View;
  readonly terminal: Terminal;
  readonly asked: string;
}

function linesOf(list: EdgeList, { format, view, terminal, asked }: Showing): readonly string[] {
  if (format === "json") return [JSON.stringify(list, null, 2)];
  if (format === "dot") return [dotOf(list.edges)];
  if (format === "mermaid") return [mermaidOf(list.edges)];
  if (format === "table") return view(list, terminal, asked);
  const entries = list.serviceEntries.map((entry) => stringify(entry).trimEnd());
  return [entries.length === 0 ? "# every host that was called has a name" : entries.join("\n---\n")];
}
