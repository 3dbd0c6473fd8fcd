// The live graph in the terminal: as a tree from where requests come in, or as a table; below it what isn't encrypted and why, and hosts without a name.

import type { MeshEdge } from "../analyze/edges/mesh-edge.ts";
import type { EdgeList } from "../http/edges-contract.ts";
import { compare } from "../model/visibility.ts";
import {
  aloneIn,
  bytesText,
  colouredEncryption,
  failedText,
  isOpen,
  isSent,
  latencyText,
  portText,
  rateText,
  serviceText,
  stateMark,
  targetText,
} from "./edge-words.ts";
import { type Column, fittingTable, type Terminal, table } from "./output.ts";
import { printable } from "./printable.ts";

type Screen = Pick<Terminal, "colours" | "isTty" | "columns">;

/** Older data are said to be old. */
const freshMs = 3000;

/** `lateen edges`; `asked` says which calls were asked for, where not all were: " of shop/web". */
export function edgesTable(list: EdgeList, screen: Screen, asked = ""): readonly string[] {
  if (list.edges.length === 0) return [...emptyLines(list, asked), ...notes(list, screen)];
  return [fittingTable(tableColumns(screen), list.edges, screen), ...notes(list, screen)];
}

/** `lateen graph`; `asked` as of `edgesTable`. */
export function graphTree(list: EdgeList, screen: Screen, asked = ""): readonly string[] {
  if (list.edges.length === 0) return [...emptyLines(list, asked), ...notes(list, screen)];
  const alone = aloneIn(list.nodes, list.edges).map(({ name }) => name);
  const text = fittingTable(treeColumns(screen), treeOf(list.edges, screen), screen);
  return [text, ...(alone.length === 0 ? [] : [screen.colours.dim(`\nno calls: ${alone.join(", ")}`)]), ...notes(list, screen)];
}

function tableColumns({ colours }: Screen): readonly Column<MeshEdge>[] {
  return [
    { heading: "FROM", cell: ({ from }) => printable(from.name) },
    { heading: "TO", cell: ({ to }) => printable(to.name) },
    { heading: "PORT", cell: portText },
    { heading: "ENCRYPTED", cell: (edge) => colouredEncryption(edge, colours) },
    { heading: "", cell: (edge) => stateMark(edge, colours) },
    { heading: "RATE", cell: rateText },
    { heading: "FAILED", cell: (edge) => failedText(edge, colours) },
    { heading: "P50", cell: (edge) => latencyText(edge, "p50"), dropAt: 3 },
    { heading: "P95", cell: (edge) => latencyText(edge, "p95"), dropAt: 4 },
    { heading: "P99", cell: (edge) => latencyText(edge, "p99"), dropAt: 1 },
    { heading: "BYTES", cell: bytesText, dropAt: 5 },
    { heading: "SERVICE", cell: (edge) => printable(serviceText(edge)), dropAt: 9 },
    { heading: "VERSION", cell: ({ version }) => printable(version), dropAt: 8 },
    { heading: "CALLER'S IDENTITY", cell: ({ from }) => identityText(from.identity), dropAt: 7 },
    { heading: "SERVER'S IDENTITY", cell: ({ to }) => identityText(to.identity), dropAt: 6 },
  ];
}

function identityText(identity: string | undefined): string {
  return printable(identity?.replace("spiffe://", "") ?? "-");
}

interface Branch {
  readonly text: string;
  /** Undefined for where a tree begins. */
  readonly edge: MeshEdge | undefined;
}

function treeColumns({ colours }: Screen): readonly Column<Branch>[] {
  const of = (cell: (edge: MeshEdge) => string) => (branch: Branch) => (branch.edge === undefined ? "" : cell(branch.edge));
  return [
    { heading: "GRAPH", cell: ({ text }) => text },
    { heading: "RATE", cell: of(rateText) },
    { heading: "FAILED", cell: of((edge) => failedText(edge, colours)) },
    { heading: "P50", cell: of((edge) => latencyText(edge, "p50")), dropAt: 2 },
    { heading: "P95", cell: of((edge) => latencyText(edge, "p95")), dropAt: 3 },
    { heading: "P99", cell: of((edge) => latencyText(edge, "p99")), dropAt: 1 },
    { heading: "BYTES", cell: of(bytesText), dropAt: 4 },
    { heading: "ENCRYPTED", cell: of((edge) => colouredEncryption(edge, colours)) },
  ];
}

/** Each place with the ways from it once; where it comes again an arrow points up. */
function treeOf(edges: readonly MeshEdge[], { colours }: Screen): readonly Branch[] {
  const byCaller = Map.groupBy(edges, ({ from }) => from.name);
  const called = new Set(edges.map(({ to }) => to.name));
  const shown = new Set<string>();
  const below = (name: string, indent: string): readonly Branch[] => {
    shown.add(name);
    const ways = byCaller.get(name) ?? [];
    return ways.flatMap((edge, index) => {
      const isLast = index === ways.length - 1;
      const { name: target } = edge.to;
      const isAgain = shown.has(target) && byCaller.has(target);
      const text = `${indent}${isLast ? "└─" : "├─"} ${stateMark(edge, colours)} ${targetText(edge)}${isAgain ? " ↑" : ""}`;
      return [{ text, edge }, ...(shown.has(target) ? [] : below(target, `${indent}${isLast ? "  " : "│ "} `))];
    });
  };
  const begin = (name: string): readonly Branch[] =>
    shown.has(name) ? [] : [{ text: colours.bold(printable(name)), edge: undefined }, ...below(name, "")];
  const callers = [...byCaller.keys()].toSorted(compare);
  return [...callers.filter((name) => !called.has(name)).flatMap(begin), ...callers.flatMap(begin)];
}

function emptyLines({ silent, nodes }: EdgeList, asked: string): readonly string[] {
  if (nodes.length === 0) return ["there is nothing here: no workload runs behind this name", "see what there is: lateen get pods -A"];
  const waiting = silent.length === 0 ? "" : `; ${silent.length} of the proxies have not reported yet`;
  if (asked !== "") return [printable(`no calls${asked}${waiting}`), "`lateen edges` shows all that there are"];
  return [
    `no proxy has counted a request yet${waiting}`,
    "send one, for example to a gateway's port (lateen status names it): it shows here within two seconds",
  ];
}

/** Below: age of the data, what isn't encrypted and why, unknown hosts, silent proxies. */
function notes(list: EdgeList, screen: Screen): readonly string[] {
  return [
    ...encryptionNotes(list.edges, screen),
    ...unusedNotes(list.edges, screen),
    ...hostNotes(list, screen),
    ...dataNotes(list, screen),
  ];
}

function encryptionNotes(edges: readonly MeshEdge[], { colours }: Screen): readonly string[] {
  const known = edges.filter((edge) => edge.state !== "configured" && isSent(edge));
  const open = known.filter(isOpen);
  if (known.length === 0) return [];
  const reasons = open.map((edge) => {
    const { from, to, reason, source } = edge;
    const because = source === undefined || reason?.includes(source) === true ? "" : ` (${source})`;
    const said = printable(`${from.name} → ${to.name} ${portText(edge)}: ${reason ?? "nobody asks for TLS"}${because}`);
    return `${colouredEncryption(edge, colours)} ${said}`;
  });
  return [`\n${known.length - open.length} of ${known.length} edges are encrypted`, ...reasons];
}

function unusedNotes(edges: readonly MeshEdge[], { colours }: Screen): readonly string[] {
  const unused = edges.filter(({ configuredBy }) => configuredBy !== undefined);
  if (unused.length === 0) return [];
  const lines = unused.map(({ from, to, configuredBy = [] }) =>
    colours.dim(printable(`◌ ${from.name} → ${to.name}: ${configuredBy.join(", ")}`)),
  );
  return ["\nroutes that carry nothing:", ...lines];
}

function hostNotes({ unknownHosts, edges }: EdgeList, { colours }: Screen): readonly string[] {
  const isHidden =
    unknownHosts.length === 0 && edges.some(({ to, state }) => state === "live" && /^\((unknown|blocked) hosts\)$/.test(to.name));
  if (isHidden)
    return ["\nhosts that no ServiceEntry names were called; which ones is in the access logs only, and those are off or unreadable"];
  if (unknownHosts.length === 0) return [];
  const rows = unknownHosts.map(({ namespace, workload, host, port, protocol, count, refused }) => [
    printable(`${namespace}/${workload}`),
    printable(`${host}:${port}`),
    protocol,
    String(count),
    refused ? colours.red("✗ refused") : colours.yellow("! passed on"),
  ]);
  return [
    `\n${table(["FROM", "UNKNOWN HOST", "PROTOCOL", "TIMES", ""], rows)}`,
    "to name them: lateen graph -o yaml > hosts.yaml, take out what should stay unknown, lateen apply -f hosts.yaml",
  ];
}

function dataNotes({ silent, ageMs }: EdgeList, { colours }: Screen): readonly string[] {
  const shown = silent.slice(0, 5).join(", ");
  const old = ageMs !== undefined && ageMs > freshMs ? [colours.yellow(`\nthe newest data are ${Math.round(ageMs / 1000)} s old`)] : [];
  if (silent.length === 0) return old;
  return [
    ...old,
    colours.yellow(
      `\nnothing was reported by ${shown}${silent.length > 5 ? ` and ${silent.length - 5} more` : ""}: their calls are missing`,
    ),
  ];
}
