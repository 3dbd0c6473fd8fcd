// `lateen graph`: every edge that the proxies carry, whether it is encrypted and why not, and the identities at both ends.

import type { Edge, EdgeEnd, LiveEdge } from "../../analyze/edges/edge.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { exitCode, formatOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { type Colours, type Column, fittingTable, type Terminal } from "../output.ts";

export const runGraph: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json", "dot", "mermaid"]);
  const windowMs = parseDuration(textOption(options, "for") ?? "1s");
  if (windowMs === undefined || windowMs > 60_000)
    throw new UsageError("--for is no duration up to 60s", { fix: "write for example --for 5s" });
  const client = connect(config);
  try {
    const list = await client.edges(windowMs);
    const edges = options["live"] === true ? list.edges.filter(({ live }) => live) : list.edges;
    if (format === "json") terminal.out(JSON.stringify({ ...list, edges }, null, 2));
    else if (format === "dot") terminal.out(dotOf(edges));
    else if (format === "mermaid") terminal.out(mermaidOf(edges));
    else printEdges(edges, terminal);
    if (list.unread.length > 0) terminal.err(`these proxies could not be asked, so their calls are missing: ${list.unread.join(", ")}`);
    return exitCode.ok;
  } finally {
    client.close();
  }
};

const words: Readonly<Record<Edge["encryption"], string>> = {
  mtls: "✓ mTLS",
  tls: "✓ TLS",
  application: "✓ own TLS",
  partly: "! partly",
  none: "✗ plaintext",
  unknown: "? unknown",
};

/** The table; below it why edges are not encrypted. */
export function printEdges(edges: readonly LiveEdge[], terminal: Terminal): void {
  const { out, colours } = terminal;
  if (edges.length === 0) {
    out("no proxy has carried anything yet");
    return;
  }
  out(fittingTable(columnsOf(colours), edges, terminal));
  const open = edges.filter(({ encryption }) => isOpen(encryption));
  out(`\n${edges.length - open.length} of ${edges.length} edges are encrypted`);
  for (const { from, to, port, reason, source, encryption } of open) {
    const because = source === undefined || reason?.includes(source) === true ? "" : ` (${source})`;
    out(`${coloured(encryption, colours)} ${from.name} → ${to.name}:${port}: ${reason ?? "nobody asks for TLS"}${because}`);
  }
}

function isOpen(encryption: Edge["encryption"]): boolean {
  return encryption === "none" || encryption === "partly" || encryption === "unknown";
}

function columnsOf(colours: Colours): readonly Column<LiveEdge>[] {
  return [
    { heading: "FROM", cell: ({ from }) => from.name },
    { heading: "TO", cell: ({ to }) => to.name },
    { heading: "PORT", cell: ({ port, protocol }) => `${port}/${protocol}` },
    { heading: "ENCRYPTED", cell: ({ encryption }) => coloured(encryption, colours) },
    { heading: "REQ/S", cell: ({ requestsPerSecond, live }) => (live ? requestsPerSecond.toFixed(1) : colours.dim("idle")), dropAt: 1 },
    { heading: "OPEN", cell: ({ active }) => String(active), dropAt: 4 },
    { heading: "CALLER'S IDENTITY", cell: ({ from }) => identityText(from), dropAt: 3 },
    { heading: "SERVER'S IDENTITY", cell: ({ to }) => identityText(to), dropAt: 2 },
  ];
}

function identityText({ identity }: EdgeEnd): string {
  return identity?.replace("spiffe://", "") ?? "-";
}

function coloured(encryption: Edge["encryption"], colours: Colours): string {
  if (encryption === "none") return colours.red(words[encryption]);
  return isOpen(encryption) ? colours.yellow(words[encryption]) : colours.green(words[encryption]);
}

/** Graphviz. */
export function dotOf(edges: readonly LiveEdge[]): string {
  const lines = edges.map(({ from, to, port, protocol, encryption }) => {
    const style = encryption === "none" ? ', color="red", style="bold"' : isOpen(encryption) ? ', style="dashed"' : "";
    return `  ${quoted(from.name)} -> ${quoted(to.name)} [label=${quoted(`${port}/${protocol} ${words[encryption]}`)}${style}];`;
  });
  return ["digraph mesh {", "  rankdir=LR;", ...lines, "}"].join("\n");
}

/** Mermaid; unencrypted edges are dotted. */
export function mermaidOf(edges: readonly LiveEdge[]): string {
  const names = [...new Set(edges.flatMap(({ from, to }) => [from.name, to.name]))];
  const nodes = names.map((name, index) => `  n${index}[${quoted(name)}]`);
  const arrows = edges.map(({ from, to, port, protocol, encryption }) => {
    const arrow = isOpen(encryption) ? "-.->" : "-->";
    return `  n${names.indexOf(from.name)} ${arrow}|${quoted(`${port}/${protocol} ${words[encryption]}`)}| n${names.indexOf(to.name)}`;
  });
  return ["flowchart LR", ...nodes, ...arrows].join("\n");
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "").replaceAll('"', "'")}"`;
}
