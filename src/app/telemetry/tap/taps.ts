// Everybody who watches requests live: which proxies tell because of them, and what each gets to see. A watcher's end, or the control plane's, ends it all:
// nothing of it is kept.

import { closest } from "../../../api/suggest.ts";
import type { TapEnd, TapEvent, TapLine, TapQuery, TapSource } from "../../../http/tap-contract.ts";
import { MeshError, NotFound } from "../../../lib/errors.ts";
import type { Mesh } from "../../../model/mesh.ts";
import type { OtlpLogRecord } from "../../../telemetry/otlp-logs.ts";
import type { Party } from "../../../telemetry/party.ts";
import { tapRecordOf } from "../../../telemetry/tap-record.ts";
import { endOfProxy } from "./ends.ts";
import { type ToldEvent, tapEventOf } from "./event.ts";
import { type TapFilter, tapFilterOf } from "./filter.ts";
import { TapJoiner } from "./join.ts";
import { isParty } from "./party.ts";
import { decideTapPercent, maxTapRate } from "./rate.ts";

export interface TapsOptions {
  readonly mesh: () => Mesh | undefined;
  /** Lets these proxies tell of so many percent of their requests, and nobody else; MeshEngine.tap. */
  readonly tap: (percentByProxy: ReadonlyMap<string, number>) => void;
  /** Whether a proxy is connected and has acknowledged its newest configuration. */
  readonly isCurrent: (proxyId: string) => boolean;
  /** Milliseconds of a clock that never jumps. */
  readonly nowMs: () => number;
  /** Default maxTapRate. */
  readonly maxRate?: number;
}

interface Watcher {
  readonly filter: TapFilter;
  readonly send: (line: TapLine) => boolean;
  /** Proxies at the other end of what the watcher saw: they join, so that both halves come. */
  readonly peers: Set<string>;
  dropped: number;
  readonly sinceMs: number;
  isTold: boolean;
}

const tickMs = 100;
const rateMs = 1000;
/** A watcher is told who tells when all do, or after this time: a proxy may be away, or its pod may not run yet. */
const tellMs = 5000;
/** Watchers at a time. */
const maxWatchers = 32;
/** Proxies up to which all tell, whoever is asked for, so that no request lacks its other half. */
const smallMesh = 50;
/** Peers of one watcher that join by themselves. */
const maxPeers = 200;

export class Taps implements TapSource {
  readonly #options: TapsOptions;
  readonly #watchers = new Set<Watcher>();
  #joiner = new TapJoiner();
  #ready: TapEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #tapped: ReadonlyMap<string, number> = new Map();
  /** The proxies that #tapped was chosen of; chosen again when they or the watchers have changed. */
  #followed: Mesh["proxies"] | undefined;
  #isStale = false;
  #percent = 100;
  #told = 0;
  #rateSinceMs = 0;
  /** Records beyond twice the limit within one second, before the proxies know of the smaller share. */
  #skipped = 0;

  constructor(options: TapsOptions) {
    this.#options = options;
  }

  watch(query: TapQuery, send: Watcher["send"]): () => void {
    if (this.#watchers.size >= maxWatchers) throw new MeshError("unavailable", `${maxWatchers} others are watching already`);
    const filter = tapFilterOf(query);
    this.#checkParties(filter, query.namespace);
    const watcher: Watcher = { filter, send, peers: new Set(), dropped: 0, sinceMs: this.#options.nowMs(), isTold: false };
    this.#watchers.add(watcher);
    this.#timer ??= setInterval(() => this.#tick(), tickMs).unref();
    this.#isStale = true;
    this.#follow();
    if (this.#percent < 100) watcher.send({ type: "sampling", percent: this.#percent });
    return () => this.#leave(watcher);
  }

  /** Takes a report of logger `tapLogName`. */
  take(proxyId: string, records: readonly OtlpLogRecord[]): void {
    const mesh = this.#options.mesh();
    const sender = mesh?.proxies.get(proxyId);
    if (this.#watchers.size === 0 || mesh === undefined || sender === undefined) return;
    this.#told += records.length;
    const max = 2 * (this.#options.maxRate ?? maxTapRate);
    const room = Math.max(0, Math.min(records.length, records.length + max - this.#told));
    this.#skipped += records.length - room;
    for (const log of records.slice(0, room)) {
      const record = tapRecordOf(log);
      if (record !== undefined) this.#offer(tapEventOf(record, sender, mesh));
    }
  }

  close(): void {
    for (const watcher of [...this.#watchers]) this.#leave(watcher);
  }

  #offer({ event, ends, pair, request }: ToldEvent): void {
    const other = event.client === undefined ? ends.client : ends.server;
    const isPaired = other !== undefined && this.#tapped.has(other);
    this.#ready.push(...this.#joiner.push({ event, pair: isPaired ? pair : undefined, request }, this.#options.nowMs()));
    if (other === undefined || isPaired) return;
    for (const { filter, peers } of this.#watchers) {
      if (peers.size >= maxPeers || peers.has(other) || !filter.matches(event)) continue;
      peers.add(other);
      this.#isStale = true;
    }
  }

  #tick(): void {
    const now = this.#options.nowMs();
    const events = [...this.#ready, ...this.#joiner.expire(now)];
    this.#ready = [];
    events.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    for (const watcher of this.#watchers) this.#serve(watcher, events);
    if (now - this.#rateSinceMs >= rateMs) this.#adapt(now);
    this.#follow();
  }

  #serve(watcher: Watcher, events: readonly TapEvent[]): void {
    if (!watcher.isTold) this.#tell(watcher);
    for (const event of events) {
      if (!watcher.filter.matches(event)) continue;
      if (watcher.dropped > 0 && watcher.send({ type: "dropped", count: watcher.dropped })) watcher.dropped = 0;
      if (watcher.dropped > 0 || !watcher.send({ type: "event", event })) watcher.dropped += 1;
    }
    if (events.length === 0 && watcher.dropped > 0 && watcher.send({ type: "dropped", count: watcher.dropped })) watcher.dropped = 0;
  }

  /** Once the proxies know of it: from now on nothing is missed. */
  #tell(watcher: Watcher): void {
    const ids = [...this.#idsOf(watcher)];
    const current = ids.filter((id) => this.#options.isCurrent(id)).length;
    if (current < ids.length && this.#options.nowMs() - watcher.sinceMs < tellMs) return;
    watcher.isTold = watcher.send({ type: "watching", proxies: current });
  }

  #adapt(now: number): void {
    const percent = decideTapPercent(this.#percent, this.#told, this.#options.maxRate);
    if (percent !== this.#percent) for (const { send } of this.#watchers) send({ type: "sampling", percent });
    if (this.#skipped > 0) for (const watcher of this.#watchers) watcher.dropped += this.#skipped;
    this.#isStale ||= percent !== this.#percent;
    this.#percent = percent;
    this.#told = 0;
    this.#skipped = 0;
    this.#rateSinceMs = now;
  }

  #leave(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    if (this.#watchers.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#joiner = new TapJoiner();
      this.#ready = [];
      this.#percent = 100;
    }
    this.#isStale = true;
    this.#follow();
  }

  /** Gives the engine the proxies that tell, when they are others than before. */
  #follow(): void {
    const proxies = this.#options.mesh()?.proxies;
    if (!this.#isStale && proxies === this.#followed) return;
    this.#isStale = false;
    this.#followed = proxies;
    const ids = new Set([...this.#watchers].flatMap((watcher) => [...this.#idsOf(watcher)]));
    const same = ids.size === this.#tapped.size && [...ids].every((id) => this.#tapped.get(id) === this.#percent);
    if (same) return;
    this.#tapped = new Map([...ids].map((id) => [id, this.#percent]));
    this.#options.tap(this.#tapped);
  }

  /** Those that were asked for, gateways, through which strangers come, and peers: in a small mesh all, for they are soon seen anyway. */
  #idsOf({ filter, peers }: Watcher): ReadonlySet<string> {
    const proxies: Mesh["proxies"] = this.#options.mesh()?.proxies ?? new Map();
    const isSmall = proxies.size <= smallMesh && filter.parties.length > 0;
    const concerned = [...proxies].filter(([, proxy]) => filter.concerns(endOfProxy(proxy)));
    // Only hosts outside are named: anybody may call them.
    if (isSmall || concerned.length === 0) return new Set(proxies.keys());
    const gateways = [...proxies].filter(([, { kind }]) => kind === "gateway");
    const known = [...peers].filter((id) => proxies.has(id));
    return new Set([...[...concerned, ...gateways].map(([id]) => id), ...known]);
  }

  #checkParties({ parties }: TapFilter, namespace: string | undefined): void {
    const mesh = this.#options.mesh();
    const ends = [...(mesh?.proxies.values() ?? [])].map(endOfProxy);
    checkNamespace(namespace, [...ends, ...(mesh?.services.values() ?? [])]);
    const hosts = [...(mesh?.services.values() ?? [])].map(({ hostname, name, namespace }) => ({
      name: `${namespace}/${name}`,
      kind: "service" as const,
      namespace,
      services: [hostname],
    }));
    for (const party of parties) {
      if ([...ends, ...hosts].some((end) => isParty(party, end)) || isOutside(party.name)) continue;
      const known = [...new Set(ends.map(({ name }) => name))].toSorted();
      const near = nearestOf(party, [...ends, ...hosts]);
      throw new NotFound(`there is no workload, pod or service ${party.text}`, {
        fix: near === undefined ? `workloads: ${known.slice(0, 20).join(", ")}${known.length > 20 ? ", …" : ""}` : `did you mean ${near}?`,
      });
    }
  }
}

/** "shop/web" of all those, where the party's name is nearly that, or the same in another namespace. */
function nearestOf({ name, namespace }: Party, ends: readonly Pick<TapEnd, "name" | "namespace">[]): string | undefined {
  const isHere = (end: Pick<TapEnd, "namespace">) => namespace === undefined || end.namespace === namespace;
  const nearest = (all: readonly Pick<TapEnd, "name" | "namespace">[]) => {
    const own = new Map(all.map((end) => [end.name.slice(end.name.indexOf("/") + 1), end.name]));
    return own.get(closest(name, [...own.keys()]) ?? "");
  };
  return nearest(ends.filter(isHere)) ?? nearest(ends);
}

/** @throws NotFound for a namespace in which nobody sends or answers requests. */
function checkNamespace(namespace: string | undefined, ends: readonly { readonly namespace?: string }[]): void {
  const known = [...new Set(ends.flatMap((end) => end.namespace ?? []))].toSorted();
  if (namespace === undefined || known.includes(namespace)) return;
  const near = closest(namespace, known);
  const fix = near === undefined ? `namespaces: ${known.slice(0, 20).join(", ")}` : `did you mean ${near}?`;
  throw new NotFound(`there is no workload or service in namespace ${namespace}`, { fix });
}

/** A host of the world, or an address. */
function isOutside(name: string): boolean {
  return name.includes(".") && !name.endsWith(".svc") && !name.endsWith(".cluster.local");
}
