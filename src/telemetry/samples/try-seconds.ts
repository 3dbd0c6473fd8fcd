// Samples of single tries and of TCP connections → one row per second and version, for whoever judges versions: each second once, when it is complete, as whole
// counts. Pure.

import { outcomeOf } from "../graph/outcome.ts";
import type { Distribution } from "../point.ts";
import { connectionsFailed, connectionsTried, templateLabel, triesTotal, tryDuration } from "../proxy-reports.ts";
import { type StandardMetricName, unknownValue } from "../standard-metrics.ts";
import type { SampleStore } from "./sample-store.ts";
import { fineSeconds, type Series } from "./series.ts";
import { mergedDistribution } from "./window.ts";

/** What callers saw of one version in one second. */
export interface TryCounts {
  readonly tries: number;
  /** 5xx, no answer, or a gRPC status that is the server's fault (graph/outcome.ts). */
  readonly errors: number;
  /** 4xx. */
  readonly clientErrors: number;
  /** Of the tries' durations, ms; undefined when none was counted. */
  readonly latency: Distribution | undefined;
  /** TCP; undefined when nothing was heard of any. */
  readonly connections: ConnectionCounts | undefined;
}

/** TCP connections of one version in one second (connection-trials.ts). */
export interface ConnectionCounts {
  /** Begun, whatever becomes of them. */
  readonly opened: number;
  /** Decided: they ended well, lasted, or failed. */
  readonly tried: number;
  /** Of those. */
  readonly failed: number;
}

export interface TrySecond {
  /** Seconds since the epoch: what was reported by its end and after its beginning, by the collector's clock. */
  readonly second: number;
  /** By the version's label, or as `templateArm` writes it; empty when nobody tried. */
  readonly versions: ReadonlyMap<string, TryCounts>;
}

export interface TryQuery {
  /** Full host of the service. */
  readonly host: string;
  readonly afterSecond: number;
  readonly nowMs: number;
  /** Whether copies that mirrors sent count too. */
  readonly withCopies?: boolean | undefined;
  /** Whether pods of several templates are told apart although they have the same version. */
  readonly byTemplate?: boolean | undefined;
}

/** How a version's pods of one template are called: values of labels have no slash. */
export function templateArm(version: string, template: string): string {
  return `${version}/${template}`;
}

/** What `templateArm` was made of; without a template it is the version alone. */
export function parseTemplateArm(arm: string): { readonly version: string; readonly template: string | undefined } {
  const [version = "", template] = arm.split("/", 2);
  return { version, template };
}

const opened: StandardMetricName = "istio_tcp_connections_opened_total";
const countOf: ReadonlyMap<string, keyof ConnectionCounts> = new Map([
  [opened, "opened"],
  [connectionsTried, "tried"],
  [connectionsFailed, "failed"],
]);
const seriesNames = [triesTotal, tryDuration, ...countOf.keys()];

/** Seconds that are looked back at most: what was before is old news for a decision per second. */
const maxSeconds = 120;
/** How long a second waits for callers that haven't reported it: three flushes. What comes later lies in a later second. */
const patienceMs = 3000;

/**
 * The complete seconds after `afterSecond`, oldest first. A second that nobody reported is missing; one in which nobody tried is there without versions.
 * Counts of a report that came late, or follows lost ones, lie in the second in which it came, whole.
 */
export function trySeconds(store: SampleStore, query: TryQuery): readonly TrySecond[] {
  const { host, afterSecond, nowMs, withCopies = false, byTemplate = false } = query;
  const all = [...store.sources()];
  const callers = all.flatMap((source) => {
    const series = seriesNames.flatMap((name) => [...(source.byName.get(name) ?? [])]).filter((one) => isAbout(one, { host, withCopies }));
    return series.length === 0 ? [] : [{ source, series }];
  });
  const awaited = (callers.length === 0 ? all : callers.map(({ source }) => source)).filter(({ endedSecond }) => endedSecond === undefined);
  const oldestNow = Math.floor((nowMs - patienceMs) / 1000) - 1;
  const last = Math.max(oldestNow, Math.min(...awaited.map(({ coverage }) => coverage.last), Math.floor(nowMs / 1000)));
  const first = Math.max(afterSecond + 1, last - maxSeconds + 1, Math.floor(nowMs / 1000) - fineSeconds + 1);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
    .filter((second) => all.some(({ coverage }) => coverage.covers(second)))
    .map((second) => ({
      second,
      versions: versionsIn(
        callers.flatMap(({ series }) => series),
        { second, byTemplate },
      ),
    }));
}

function isAbout({ labels }: Series, { host, withCopies }: { readonly host: string; readonly withCopies: boolean }): boolean {
  if (labels["destination_service"] !== host || labels["reporter"] !== "source") return false;
  return withCopies || (labels["mirrored"] ?? "") === "";
}

/** Whose a try was; undefined for one that reached nobody. */
function nameOf({ labels }: Series, byTemplate: boolean): string | undefined {
  const { destination_version: version = unknownValue, [templateLabel]: template } = labels;
  if (byTemplate && template !== undefined) return templateArm(version, template);
  return version === unknownValue ? undefined : version;
}

interface OneSecond {
  readonly second: number;
  readonly byTemplate: boolean;
}

const noTries: TryCounts = { tries: 0, errors: 0, clientErrors: 0, latency: undefined, connections: undefined };
const noConnections: ConnectionCounts = { opened: 0, tried: 0, failed: 0 };

function versionsIn(series: readonly Series[], { second, byTemplate }: OneSecond): ReadonlyMap<string, TryCounts> {
  const versions = new Map<string, TryCounts>();
  for (const one of series) {
    const { response_code: code = "" } = one.labels;
    const version = nameOf(one, byTemplate);
    if (version === undefined) continue;
    const known = versions.get(version) ?? noTries;
    const distribution = one.distribution("fine", (column) => column.get(second));
    if (distribution !== undefined) {
      const isEmpty = distribution.counts.every((count) => count === 0);
      if (!isEmpty) versions.set(version, { ...known, latency: joined(known.latency, distribution) });
      continue;
    }
    const count = one.total("fine", (column) => column.get(second));
    if (count === 0) continue;
    const connectionCount = countOf.get(one.name);
    if (connectionCount !== undefined) {
      const connections = known.connections ?? noConnections;
      versions.set(version, { ...known, connections: { ...connections, [connectionCount]: connections[connectionCount] + count } });
      continue;
    }
    const isError = outcomeOf(one.labels) === "failed";
    versions.set(version, {
      ...known,
      tries: known.tries + count,
      errors: known.errors + (isError ? count : 0),
      clientErrors: known.clientErrors + (code.startsWith("4") && !isError ? count : 0),
    });
  }
  return new Map([...versions].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Buckets of another configuration can't be added; the first one's stand. */
function joined(one: Distribution | undefined, other: Distribution): Distribution {
  return one === undefined ? other : (mergedDistribution(one, other) ?? one);
}
