// Whether a run decides who gets which version: samples of the last minute → callers that can't be steered, and hops that don't say whose request it is.
// Asked once a second by every run, counted anew every five seconds for all of them.

import { serviceHost } from "../../api/hosts.ts";
import type { ReleaseSpec } from "../../api/release/release.ts";
import type { RunFinding } from "../../release/observation.ts";
import { countWords, listWords, percentWords } from "../../release/sentences.ts";
import type { Run } from "../../release/state.ts";
import { endNames, type TrafficEdge } from "../../telemetry/graph/traffic-edge.ts";
import type { Hop } from "../../telemetry/samples/hops.ts";

export type CallerEdge = Pick<TrafficEdge, "from" | "service" | "version" | "requests" | "connections" | "mirrored"> & {
  /** "mtls", or another way. */
  readonly encryption: string;
};

/** What the samples and pods say now. */
export interface SeenCallers {
  /** Edges of the live graph, all services. */
  edges(windowMs: number): readonly CallerEdge[];
  hops(windowMs: number): readonly Hop[];
  /** "shop/legacy", sorted. */
  podsWithoutProxy(): readonly string[];
  nowMs(): number;
}

/** The part of a Release that says whose callers are meant, and whether its users are told apart. */
export interface SteeredRelease {
  readonly metadata: { readonly namespace: string };
  readonly spec: Pick<ReleaseSpec, "service" | "sticky">;
}

const windowMs = 60_000;
const everyMs = 5000;
const leastStrangers = 3;
/** Both ends of an edge report once a second, not together: as much as came in plaintext within so long may be of callers that both know. */
const lateMs = 3000;
/** So many requests with the user's name must have come, and so many have gone on, before a hop is said to drop it. */
const leastOfHop = 20;
const mostHops = 5;

interface Counted {
  readonly slot: number;
  readonly strangers: ReadonlyMap<string, readonly CallerEdge[]>;
  /** What came in plaintext within `lateMs`, strangers' and others'. */
  readonly late: ReadonlyMap<string, readonly CallerEdge[]>;
  readonly hops: ReadonlyMap<string, readonly Hop[]>;
  /** Looked for only where there are strangers. */
  readonly pods: readonly string[];
}

export class Steering {
  readonly #seen: SeenCallers;
  #counted: Counted = { slot: -1, strangers: new Map(), late: new Map(), hops: new Map(), pods: [] };

  constructor(seen: SeenCallers) {
    this.#seen = seen;
  }

  /** What is wrong for the run, sorted. */
  findingsOf({ metadata, spec }: SteeredRelease, run: Run): readonly RunFinding[] {
    // Where pods are exchanged, whoever calls gets the pods that are there.
    if (run.exposure.byPods) return [];
    const host = serviceHost(spec.service, metadata.namespace);
    const { strangers, late, hops, pods } = this.#now();
    const unsteered = strangersFinding(strangers.get(host) ?? [], { service: spec.service, run, late: late.get(host) ?? [], pods });
    const dropped = spec.sticky === undefined ? [] : (hops.get(host) ?? []).flatMap((hop) => droppedFinding(hop, spec.service) ?? []);
    return [...(unsteered === undefined ? [] : [unsteered]), ...shortened(dropped, spec.service)];
  }

  #now(): Counted {
    const slot = Math.floor(this.#seen.nowMs() / everyMs);
    if (slot === this.#counted.slot) return this.#counted;
    const strangers = this.#seen.edges(windowMs).filter(({ from, mirrored }) => from.name === endNames.noSidecar && !mirrored);
    const late =
      strangers.length === 0 ? [] : this.#seen.edges(lateMs).filter(({ encryption, mirrored }) => encryption !== "mtls" && !mirrored);
    this.#counted = {
      slot,
      strangers: Map.groupBy(strangers, ({ service }) => service),
      late: Map.groupBy(late, ({ service }) => service),
      hops: Map.groupBy(this.#seen.hops(windowMs), ({ host }) => host),
      pods: strangers.length === 0 ? [] : this.#seen.podsWithoutProxy(),
    };
    return this.#counted;
  }
}

/** All are written into the run: of many hops the first are named one by one, the others together. */
function shortened(findings: readonly RunFinding[], service: string): readonly RunFinding[] {
  const others = findings.slice(mostHops).map(({ subject }) => subject);
  if (others.length === 0) return findings;
  const sentence = `others drop it too on their way to ${service}: ${listWords(others)}`;
  return [...findings.slice(0, mostHops), { kind: "BaggageDropped", subject: "others", sentence }];
}

interface Strangers {
  readonly service: string;
  readonly run: Run;
  readonly late: readonly CallerEdge[];
  readonly pods: readonly string[];
}

function strangersFinding(edges: readonly CallerEdge[], { service, run, late, pods }: Strangers): RunFinding | undefined {
  const count = (list: readonly CallerEdge[]) => list.reduce((sum, { requests, connections }) => sum + requests + connections, 0);
  const all = count(edges);
  if (all < leastStrangers || all <= count(late)) return undefined;
  const reached = count(edges.filter(({ version }) => version === run.candidate));
  const what = edges.every(({ requests }) => requests === 0) ? "connections" : "requests";
  const facts = `${countWords(all)} ${what} to ${service} within a minute came from callers without a proxy, ${countWords(reached)} of them to ${run.candidate}`;
  return { kind: "CallersNotSteered", subject: service, sentence: `${facts}: they get any version, whatever the step says${named(pods)}` };
}

/** Which of them it was nobody counts: servers see no name. */
function named(pods: readonly string[]): string {
  return pods.length === 0 ? "" : ` (pods without a proxy: ${listWords(pods)})`;
}

/** A caller that begins requests of its own, too, passes on a smaller share than it gets: only less than half of it is told. */
function droppedFinding({ caller, tries, untold, requests, told }: Hop, service: string): RunFinding | undefined {
  if (tries < leastOfHop || told < leastOfHop) return undefined;
  const [passed, got] = [(tries - untold) / tries, Math.min(1, told / Math.max(1, requests))];
  if (passed >= got / 2) return undefined;
  const facts = `${percentWords(got)} of the requests to ${caller} say in \`baggage\` whose they are, ${percentWords(passed)} of its ${countWords(tries)} to ${service} do`;
  return { kind: "BaggageDropped", subject: caller, sentence: `${facts}: behind it a user may get another version than at the edge` };
}
