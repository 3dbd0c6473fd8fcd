// Samples of a window → who called whom: the graph's edges. Which row a series belongs to is worked out once; a window then only adds numbers up, so
// that thousands of edges can be asked for every second. Pure but for that memory.

import type { Labels } from "../point.ts";
import type { Column } from "../samples/column.ts";
import type { SampleStore, StoredSource } from "../samples/sample-store.ts";
import type { Series, SumOf } from "../samples/series.ts";
import { newestOf, type Range, rangeOf, sumIn } from "../samples/window.ts";
import { type EdgeNames, EdgeRow, outsideLabel, type Part, type SourceSeconds } from "./edge-row.ts";
import { compareEdges, type TrafficEdge } from "./traffic-edge.ts";
import { type Travelled, travelledOf } from "./travelled.ts";

export interface TrafficEdgesOptions extends EdgeNames {
  readonly fromMs: number;
  readonly toMs: number;
  /** Labels of the TCP connections that are open now. */
  readonly open?: Iterable<{ readonly labels: Labels }>;
}

/** What tells edges apart. */
const edgeLabels = [
  "reporter",
  "source_workload",
  "source_workload_namespace",
  "destination_workload",
  "destination_workload_namespace",
  "destination_version",
  "destination_service",
  "destination_service_name",
  "destination_port",
  "request_protocol",
  "mirrored",
] as const;

const parts: readonly (readonly [string, Part])[] = [
  ["istio_requests_total", "requests"],
  ["istio_request_duration_milliseconds", "latency"],
  ["istio_request_bytes", "received"],
  ["istio_response_bytes", "sent"],
  ["istio_tcp_connections_opened_total", "connections"],
  ["istio_tcp_received_bytes_total", "received"],
  ["istio_tcp_sent_bytes_total", "sent"],
];

/** Proxies report about once a second, not at the same moment: this much at a window's end isn't missing yet. */
const lateSeconds = 2;

interface Known {
  readonly row: EdgeRow;
  readonly travelled: Travelled;
  /** What a gateway sends on came to it from outside. */
  readonly outside: EdgeRow | undefined;
}

/** The edges of a store, asked again and again. */
export class EdgeTable {
  readonly #store: SampleStore;
  readonly #rows = new Map<string, EdgeRow>();
  #known = new WeakMap<Series, Known>();
  #gateways = "";
  #window = 0;

  constructor(store: SampleStore) {
    this.#store = store;
  }

  /**
   * Every edge that was ever counted, sorted; the client's numbers where both ends counted. Calls that reached nobody of a service are told of in
   * their window only: no way lies idle there.
   */
  edges(options: TrafficEdgesOptions): readonly TrafficEdge[] {
    this.#window += 1;
    const gateways = JSON.stringify([...options.gateways].toSorted());
    if (gateways !== this.#gateways) this.#known = new WeakMap();
    this.#gateways = gateways;
    const newest = newestOf(this.#store);
    const range = rangeOf(this.#store, newest, options);
    for (const source of this.#store.sources()) this.#addSource(source, { range, newest, gateways: options.gateways });
    for (const { labels } of options.open ?? []) this.#addOpen(labels, options.gateways);
    for (const [key, row] of this.#rows) if (row.window !== this.#window) this.#rows.delete(key);
    return preferred([...this.#rows.values()], options)
      .filter(({ to, state }) => state === "live" || to.kind !== "unknown" || !options.services.has(to.name))
      .toSorted(compareEdges);
  }

  #addSource(source: StoredSource, { range, newest, gateways }: Asked): void {
    const window = source.coverage.window(range.from, range.to);
    const seconds = secondsOf(source, { range, newest, seconds: window.seconds });
    const sumOf = (column: Column) => sumIn(column, range, window);
    for (const [name, part] of parts) {
      for (const series of source.byName.get(name) ?? []) {
        const known = this.#knownOf(series, gateways);
        const added = { series, part, resolution: range.resolution, sumOf: series.lastSecond < range.from ? undefined : sumOf, seconds };
        this.#add(known.row, added, known.travelled);
        // How it came from outside nobody's series tells.
        if (known.outside !== undefined) this.#add(known.outside, added, undefined);
      }
    }
  }

  #add(row: EdgeRow, { series, part, resolution, sumOf, seconds }: Added, travelled: Travelled): void {
    if (row.window !== this.#window) row.begin(this.#window);
    row.addProxy(seconds);
    if (part === "requests" || part === "connections") {
      const value = sumOf === undefined ? 0 : series.total(resolution, sumOf);
      row.addCount(part, value, { labels: series.labels, travelled });
    } else if (sumOf !== undefined) row.addLater({ part, series, resolution, sumOf });
  }

  #addOpen(labels: Labels, gateways: ReadonlySet<string>): void {
    this.#addOpenTo(this.#rowOf(labels), travelledOf(labels));
    if (isFromGateway(labels, gateways)) this.#addOpenTo(this.#rowOf(outsideLabels(labels)), undefined);
  }

  #addOpenTo(row: EdgeRow, travelled: Travelled): void {
    if (row.window !== this.#window) row.begin(this.#window);
    row.addOpen(travelled);
  }

  #knownOf(series: Series, gateways: ReadonlySet<string>): Known {
    const known = this.#known.get(series);
    // A row that went while its series stayed silent would miss in the table.
    if (known !== undefined && known.row.window >= this.#window - 1) return known;
    const { labels } = series;
    const fresh = {
      row: this.#rowOf(labels),
      travelled: travelledOf(labels),
      outside: isFromGateway(labels, gateways) ? this.#rowOf(outsideLabels(labels)) : undefined,
    };
    this.#known.set(series, fresh);
    return fresh;
  }

  #rowOf(labels: Labels): EdgeRow {
    const key = JSON.stringify([...edgeLabels, outsideLabel].map((label) => labelOf(labels, label)));
    const row = this.#rows.get(key) ?? new EdgeRow(labels);
    this.#rows.set(key, row);
    return row;
  }
}

interface Asked {
  readonly range: Range;
  readonly newest: number;
  readonly gateways: ReadonlySet<string>;
}

interface Added {
  readonly series: Series;
  readonly part: Part;
  readonly resolution: Range["resolution"];
  /** Undefined where the series has nothing in the window. */
  readonly sumOf: SumOf | undefined;
  readonly seconds: SourceSeconds;
}

function isFromGateway(labels: Labels, gateways: ReadonlySet<string>): boolean {
  const caller = `${labelOf(labels, "source_workload_namespace")}/${labelOf(labels, "source_workload")}`;
  return labelOf(labels, "reporter") === "source" && gateways.has(caller);
}

/** The way into a gateway, from one of its ways out. */
function outsideLabels(labels: Labels): Labels {
  return {
    reporter: "source",
    [outsideLabel]: "true",
    destination_workload: labelOf(labels, "source_workload"),
    destination_workload_namespace: labelOf(labels, "source_workload_namespace"),
    destination_version: labelOf(labels, "source_version"),
    request_protocol: labelOf(labels, "request_protocol"),
  };
}

function labelOf(labels: Labels, label: string): string {
  return Object.hasOwn(labels, label) ? (labels[label] ?? "") : "";
}

interface SecondsParts {
  readonly range: Range;
  readonly newest: number;
  readonly seconds: Uint8Array;
}

function secondsOf({ id, coverage, endedSecond, isMerged }: StoredSource, { range, newest, seconds }: SecondsParts): SourceSeconds {
  const { from, to } = range;
  const end = Math.min(to, (endedSecond ?? to) + 1);
  const isLate = endedSecond === undefined && newest - coverage.last <= lateSeconds;
  let [known, missing, late] = [0, 0, 0];
  for (const [index, second] of seconds.entries()) {
    if (second === 1) known += 1;
    else if (isMerged || from + index < coverage.first || from + index >= end) continue;
    else if (isLate && from + index > coverage.last && from + index <= coverage.last + lateSeconds) late += 1;
    else missing += 1;
  }
  return { id, seconds, known, missing, late };
}

/**
 * The clients' edges, and of the servers' those that no client tells of. A caller with a certificate has a proxy, whose numbers are better, unless
 * nobody has its report. What a server got in plaintext may be from a proxy that doesn't encrypt, which the server can't know: what clients
 * say that they sent it in plaintext is taken off.
 */
function preferred(rows: readonly EdgeRow[], options: TrafficEdgesOptions): readonly TrafficEdge[] {
  const byClients = rows.filter(({ isByClient }) => isByClient);
  const byServers = rows.filter(({ isByClient }) => !isByClient);
  const reported = (list: readonly EdgeRow[]) => new Set(list.filter(({ isGap }) => !isGap).map(({ pair }) => pair));
  const [fromClients, fromServers] = [reported(byClients), reported(byServers)];
  const told = byClients.filter(({ pair }) => fromClients.has(pair) || !fromServers.has(pair));
  const toldPairs = new Set(told.map(({ pair }) => pair));
  const [ways, plain] = [told.filter(({ isOutside }) => !isOutside), byClients.filter(({ isPlain }) => isPlain)];
  const [sentToGateways, sentPlain] = [sumsOf(ways.filter(({ to }) => options.gateways.has(to))), sumsOf(plain)];
  return [
    ...told.flatMap((row) => remainder(row, row.isOutside ? sentToGateways.get(row.place) : undefined, options)),
    ...byServers
      .filter(({ pair }) => !toldPairs.has(pair))
      .flatMap((row) => remainder(row, row.isUnnamedPlain ? sentPlain.get(row.place) : undefined, options)),
  ];
}

/** What clients say that they sent. */
interface Sent {
  readonly answered: number;
  readonly seconds: number;
}

/** An edge of callers that nobody else tells of: without what known clients sent. */
function remainder(row: EdgeRow, sent: Sent | undefined, names: EdgeNames): readonly TrafficEdge[] {
  if (sent === undefined) return [row.edge(names)];
  // Both ends report once a second, not together: as much as comes in that time may be of the same requests.
  const isMore = row.answered - sent.answered > (lateSeconds * sent.answered) / sent.seconds;
  return isMore ? [row.edge(names, sent.answered)] : [];
}

/** By destination and protocol. */
function sumsOf(clients: readonly EdgeRow[]): ReadonlyMap<string, Sent> {
  const sums = new Map<string, Sent>();
  for (const row of clients) {
    const { answered = 0, seconds = 1 } = sums.get(row.place) ?? {};
    sums.set(row.place, { answered: answered + row.answered, seconds: Math.max(seconds, row.seconds) });
  }
  return sums;
}
