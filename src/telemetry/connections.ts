// TCP connections as proxies report them: cumulative bytes per connection → exact differences of Istio's four TCP series, opened and closed counted once
// each, whatever is lost, repeated or out of order. State per connection; pure otherwise: times come with the reports.

import { compositeTags } from "./composite-tags.ts";
import { connectionAttributes, connectionLogTypes } from "./connection-log.ts";
import { ConnectionSums, type TrialMetric } from "./connection-sums.ts";
import { ConnectionTrials, type ConnectionTrialsOptions, startTrial, type TrialFacts, type TrialState } from "./connection-trials.ts";
import type { CounterDelta } from "./exact-counters.ts";
import type { OtlpLogRecord } from "./otlp-logs.ts";
import type { Labels } from "./point.ts";

export interface ConnectionRecord {
  /** Unique among all connections that a proxy ever had: Envoy's number of it, and when it began. */
  readonly id: string;
  /** When it began, by the proxy's clock, in ms since the epoch. */
  readonly startMs: number;
  readonly isEnd: boolean;
  /** From the client so far, and to it, in bytes. */
  readonly received: number;
  readonly sent: number;
  /** Composite tags. */
  readonly tags: Labels;
  readonly trial: TrialFacts;
}

/** All of a record's tags together: certificates' names and hosts are far shorter. */
const maxTagText = 8192;
const logTypes: ReadonlySet<string> = new Set(Object.values(connectionLogTypes));
const tagNames = Object.values(compositeTags);
/** An address is far shorter than this, and so is a hash. */
const maxFactText = 200;

/** Reads what a proxy's TCP log says; undefined when it isn't that. */
export function connectionRecordOf({ timeMs, attributes }: OtlpLogRecord): ConnectionRecord | undefined {
  const textOf = (name: string): string => (Object.hasOwn(attributes, name) ? (attributes[name] ?? "") : "");
  const type = textOf(connectionAttributes.logType);
  const number = textOf(connectionAttributes.connection);
  const received = countIn(textOf(connectionAttributes.received));
  const sent = countIn(textOf(connectionAttributes.sent));
  const tags = Object.fromEntries(tagNames.map((tag) => [tag, textOf(tag)]));
  const tagText = Object.values(tags).reduce((sum, { length }) => sum + length, 0);
  const isSound = logTypes.has(type) && /^\d{1,20}$/.test(number) && timeMs > 0 && tagText <= maxTagText;
  if (!isSound || received === undefined || sent === undefined) return undefined;
  const factOf = (name: string): string => {
    const text = textOf(name);
    // Without an upstream Envoy writes "-" for each part.
    return text.length > maxFactText || /^[- ]*$/.test(text) ? "" : text;
  };
  const trial: TrialFacts = {
    isConnected: type === connectionLogTypes.connected,
    flags: factOf(connectionAttributes.flags),
    wireOut: factOf(connectionAttributes.wireOut),
    wireIn: factOf(connectionAttributes.wireIn),
    template: factOf(connectionAttributes.template),
  };
  return { id: `${number}@${timeMs}`, startMs: timeMs, isEnd: type === connectionLogTypes.end, received, sent, tags, trial };
}

/** Envoy writes "-" where it has nothing to say. */
function countIn(text: string): number | undefined {
  if (text === "" || text === "-") return 0;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

export interface ConnectionsOptions extends Partial<ConnectionTrialsOptions> {
  /** When the watching began, by the collector's clock: what older connections carried before isn't known to lie in time. */
  readonly sinceMs: number;
  /** Of one proxy at a time; 10,000 unless given. */
  readonly maxOpen?: number;
  /** Proxies report a connection every five seconds while it lives; one of which so long nothing came while its proxy was heard has ended unseen. 30 s unless given. */
  readonly silentMs?: number;
}

export interface ConnectionReport {
  readonly source: string;
  readonly records: readonly ConnectionRecord[];
  /** By the collector's clock. */
  readonly receivedMs: number;
  /** How far the proxy's clock is behind the collector's, as far as it is known. */
  readonly clockOffsetMs?: number;
}

/** Differences by series, labelled with composite tags. */
export interface ConnectionCounts {
  /** Counted since the last report. */
  readonly deltas: readonly CounterDelta[];
  /** Of connections older than the watching: counted at some time before. */
  readonly before: readonly CounterDelta[];
  /** Connections beyond the limit; they count once there is room. */
  readonly refused: number;
}

interface Connection {
  readonly startMs: number;
  received: number;
  sent: number;
  heardMs: number;
  tags: Labels;
  /** It is counted as closed. */
  isClosed: boolean;
  /** Its end was reported; otherwise it may still come back from being silent. */
  hasEnded: boolean;
  /** Known from the process before: what it has carried since then lies at no known time. */
  isRestored: boolean;
  readonly trial: TrialState;
}

/** What the next process needs to go on counting a connection. */
export interface KeptConnection {
  readonly source: string;
  readonly id: string;
  readonly startMs: number;
  readonly received: number;
  readonly sent: number;
  readonly tags: Labels;
  readonly isClosed: boolean;
}

interface Source {
  heardMs: number;
  readonly open: Map<string, Connection>;
  /** Late reports of them count nothing twice; the oldest go first. */
  readonly ended: Map<string, Connection>;
}

const maxEnded = 5000;

export class Connections {
  readonly #sinceMs: number;
  readonly #maxOpen: number;
  readonly #silentMs: number;
  readonly #sources = new Map<string, Source>();
  readonly #trials: ConnectionTrials;

  /** Without `addressOf` nothing is brought together. */
  constructor({ sinceMs, maxOpen = 10_000, silentMs = 30_000, addressOf = () => undefined, ...limits }: ConnectionsOptions) {
    this.#trials = new ConnectionTrials({ addressOf, ...limits });
    this.#sinceMs = sinceMs;
    this.#maxOpen = maxOpen;
    this.#silentMs = silentMs;
  }

  observe({ source: id, records, receivedMs, clockOffsetMs = 0 }: ConnectionReport): ConnectionCounts {
    const source = this.#sourceOf(id, receivedMs);
    const deltas = new ConnectionSums();
    const before = new ConnectionSums();
    let refused = 0;
    for (const record of records) {
      const known = source.open.get(record.id) ?? source.ended.get(record.id);
      if (known === undefined && source.open.size >= this.#maxOpen && !record.isEnd) {
        refused += 1;
        continue;
      }
      const isOlder = known === undefined ? record.startMs + clockOffsetMs < this.#sinceMs : known.isRestored;
      if (known !== undefined) known.isRestored = false;
      const connection = count(source, { record, known, receivedMs, isOlder, counts: isOlder ? before : deltas });
      const add = (name: TrialMetric, tags: Labels) => deltas.add(name, tags, 1);
      if (connection !== undefined) this.#trials.observe(id, { state: connection.trial, record, nowMs: receivedMs, add });
    }
    return { deltas: deltas.list(), before: before.list(), refused };
  }

  /** The proxy reported, whatever it said: its connections that stay silent are over, and trials that waited are decided. Returns what is counted for that. */
  heard(id: string, nowMs: number): readonly CounterDelta[] {
    const source = this.#sources.get(id);
    if (source === undefined) return [];
    source.heardMs = Math.max(source.heardMs, nowMs);
    const counts = new ConnectionSums();
    this.#trials.due(id, nowMs, (name, tags) => counts.add(name, tags, 1));
    return [...counts.list(), ...this.#closeWhere(source, ({ heardMs }) => source.heardMs - heardMs > this.#silentMs)];
  }

  /** The proxy is another process than before, since a moment by its own clock: its older connections went with the old one. */
  restarted(id: string, processStartMs: number): readonly CounterDelta[] {
    const source = this.#sources.get(id);
    return source === undefined ? [] : this.#closeWhere(source, ({ startMs }) => startMs < processStartMs);
  }

  /** Trials that there was no room for (connection-trials.ts). */
  get droppedTrials(): number {
    return this.#trials.dropped;
  }

  /** The proxy is gone for good. */
  end(id: string): void {
    this.#sources.delete(id);
    this.#trials.end(id);
  }

  /** Open connections, with the tags of their last report. */
  *open(): Generator<{ readonly source: string; readonly tags: Labels }> {
    for (const [source, { open }] of this.#sources) for (const { tags } of open.values()) yield { source, tags };
  }

  /** Open connections, for the next process. */
  *kept(): Generator<KeptConnection> {
    for (const [source, { open }] of this.#sources) {
      for (const [id, { startMs, received, sent, tags, isClosed }] of open) yield { source, id, startMs, received, sent, tags, isClosed };
    }
  }

  /** Goes on where the process before ended. */
  restore(kept: Iterable<KeptConnection>, nowMs: number): void {
    for (const { source, id, ...connection } of kept) {
      this.#sourceOf(source, nowMs).open.set(id, {
        ...connection,
        heardMs: nowMs,
        hasEnded: false,
        isRestored: true,
        // It may have been counted by the process before.
        trial: startTrial(true),
      });
    }
  }

  #closeWhere({ open, ended }: Source, isOver: (connection: Connection) => boolean): readonly CounterDelta[] {
    const counts = new ConnectionSums();
    for (const [key, connection] of open) {
      if (!isOver(connection)) continue;
      close(connection, counts);
      open.delete(key);
      remember(ended, key, connection);
    }
    return counts.list();
  }

  #sourceOf(id: string, nowMs: number): Source {
    const known = this.#sources.get(id) ?? { heardMs: nowMs, open: new Map(), ended: new Map() };
    known.heardMs = Math.max(known.heardMs, nowMs);
    this.#sources.set(id, known);
    return known;
  }
}

interface Counting {
  readonly record: ConnectionRecord;
  readonly known: Connection | undefined;
  readonly receivedMs: number;
  /** It began before the watching. */
  readonly isOlder: boolean;
  readonly counts: ConnectionSums;
}

/** Returns the connection; undefined for a record that says nothing new of it. */
function count({ open, ended }: Source, { record, known, receivedMs, isOlder, counts }: Counting): Connection | undefined {
  const { id, startMs, received, sent, isEnd, tags } = record;
  if (known === undefined) counts.add("istio_tcp_connections_opened_total", tags, 1);
  const connection = known ?? {
    startMs,
    received: 0,
    sent: 0,
    heardMs: receivedMs,
    tags,
    isClosed: false,
    hasEnded: false,
    isRestored: false,
    trial: startTrial(isOlder),
  };
  // Of reports that come late the values are smaller: they say nothing new.
  counts.add("istio_tcp_received_bytes_total", tags, Math.max(0, received - connection.received));
  counts.add("istio_tcp_sent_bytes_total", tags, Math.max(0, sent - connection.sent));
  connection.received = Math.max(connection.received, received);
  connection.sent = Math.max(connection.sent, sent);
  connection.heardMs = Math.max(connection.heardMs, receivedMs);
  if (connection.hasEnded) return undefined;
  connection.tags = tags;
  if (isEnd) {
    connection.hasEnded = true;
    close(connection, counts);
    open.delete(id);
    remember(ended, id, connection);
    return connection;
  }
  // It may have been taken for closed: then it is open again, and isn't counted a second time.
  ended.delete(id);
  open.set(id, connection);
  return connection;
}

function close(connection: Connection, counts: ConnectionSums): void {
  if (!connection.isClosed) counts.add("istio_tcp_connections_closed_total", connection.tags, 1);
  connection.isClosed = true;
}

function remember(ended: Map<string, Connection>, id: string, connection: Connection): void {
  ended.set(id, connection);
  const [oldest] = ended.keys();
  if (ended.size > maxEnded && oldest !== undefined) ended.delete(oldest);
}
