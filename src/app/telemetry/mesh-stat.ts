// Golden numbers as the API tells them: the store's rows with the age of the data, and NotFound for names that are nobody's. Implements StatView.

import { hostMatches } from "../../api/hosts.ts";
import { blackHoleClusterName, inboundPassthroughClusterName, passthroughClusterName } from "../../envoy/names.ts";
import type { StatQuery, StatReply } from "../../http/telemetry-contract.ts";
import { BadInput } from "../../lib/errors.ts";
import { type Party, parseParty } from "../../telemetry/party.ts";
import type { Labels } from "../../telemetry/point.ts";
import { newestOf } from "../../telemetry/samples/window.ts";
import { unknownValue } from "../../telemetry/standard-metrics.ts";
import { isFrom, isTo, isWorkload } from "../../telemetry/stat/party.ts";
import { newestTrafficMs, statRows } from "../../telemetry/stat/stat.ts";
import { type KnownEnd, type KnownEnds, nobodyCalled, requireNamespace } from "./known-ends.ts";
import type { MeshTelemetry } from "./mesh-telemetry.ts";

/** A window ends at the newest second that was reported; when that is older, proxies are silent, and the window ends here before now. */
const lateMs = 2000;
/** A proxy that hasn't reported for so long is silent: three flushes. */
const silentMs = 4000;

/** Answers a query; nobody is known before the first mesh is made. @throws NotFound where nothing was counted and a name is nobody's. */
export function meshStat(telemetry: MeshTelemetry, query: StatQuery, known: () => KnownEnds | undefined = () => undefined): StatReply {
  const placed = placedOf(query);
  const { by, reporter, windowMs, namespace, name, from, to } = placed;
  const { store } = telemetry.collector;
  const nowMs = telemetry.nowMs();
  const reportedMs = (newestOf(store) + 1) * 1000;
  const toMs = Math.max(Number.isFinite(reportedMs) ? reportedMs : 0, nowMs - lateMs);
  const open = [...telemetry.openConnections()].map(({ labels }) => labels);
  const rows = statRows(store, {
    by,
    reporter,
    fromMs: toMs - windowMs,
    toMs,
    namespace,
    name,
    from: partyOf(from),
    to: partyOf(to),
    open,
  });
  if (rows.length === 0) requireKnown(placed, known());
  const { newestMs, silent, total } = telemetry.reporting(silentMs);
  const trafficMs = newestTrafficMs(store);
  return {
    version: 1,
    by,
    reporter,
    windowMs,
    asOf: new Date(toMs).toISOString(),
    ...(newestMs === undefined ? {} : { ageMs: Math.round(nowMs - newestMs) }),
    ...(trafficMs === undefined ? {} : { newestTrafficAgeMs: Math.max(0, Math.round(nowMs - trafficMs)) }),
    collectingMs: Math.round(nowMs - telemetry.sinceMs),
    proxies: { total, silent },
    rows,
  };
}

/** @throws BadInput for a pod: series don't name them. */
function partyOf(text: string | undefined): Party | undefined {
  const party = text === undefined ? undefined : parseParty(text, undefined);
  if (party?.kind !== "pod") return party;
  throw new BadInput("requests aren't counted by pod", { fix: "ask for its workload, or watch the pod's requests with `lateen tap`" });
}

/** "shop/web" names its namespace itself. */
function placedOf(query: StatQuery): StatQuery {
  if (query.name?.includes("/") !== true) return query;
  const { name, namespace } = parseParty(query.name, query.namespace);
  return { ...query, name, namespace };
}

/** What was counted of somebody who is gone is still shown; only a name without any number must be somebody's. */
function requireKnown({ by, namespace, name, from, to }: StatQuery, known: KnownEnds | undefined): void {
  if (known === undefined) return;
  const workloads = known.ends.filter(({ kind }) => kind === "workload");
  requireNamespace(known, namespace);
  const isOf = (end: KnownEnd): boolean => namespace === undefined || end.namespace === namespace;
  if (name !== undefined && (by === "service" || by === "version")) {
    const party: Party = { text: name, kind: "service", name, namespace };
    requireOne(party, { what: "service", ends: known.ends.filter(({ kind }) => kind === "service"), isMeant: isTo, isOf });
  } else if (name !== undefined) {
    const party: Party = { text: name, kind: "any", name, namespace };
    const isMeant = by === "source" ? isFrom : (_: Party, labels: Labels) => isWorkload(name, labels);
    requireOne(party, { what: "workload", ends: workloads, isMeant, isOf });
  }
  const [caller, called] = [partyOf(from), partyOf(to)];
  if (caller !== undefined) requireOne(caller, { what: "workload", ends: workloads, isMeant: isFrom });
  if (called !== undefined) requireOne(called, { ...kindsOf(called, known.ends), isMeant: isTo });
}

function kindsOf({ kind }: Party, ends: readonly KnownEnd[]): Pick<Wanted, "what" | "ends"> {
  return kind === "any" ? { what: "workload or service", ends } : { what: kind, ends: ends.filter((end) => end.kind === kind) };
}

/** What tables call those who have no name. */
const nobodys: ReadonlySet<string> = new Set([unknownValue, passthroughClusterName, inboundPassthroughClusterName, blackHoleClusterName]);

interface Wanted {
  readonly what: string;
  readonly ends: readonly KnownEnd[];
  readonly isMeant: (party: Party, labels: Labels) => boolean;
  /** Whether an end is in the namespace that was asked for. */
  readonly isOf?: (end: KnownEnd) => boolean;
}

function requireOne(party: Party, { what, ends, isMeant, isOf = () => true }: Wanted): void {
  const { text, name, namespace } = party;
  if (nobodys.has(name)) return;
  const isKnown = (end: KnownEnd): boolean => isMeant(party, end.labels) || isCovered(name, end.labels);
  if (ends.some((end) => isOf(end) && isKnown(end))) return;
  throw nobodyCalled({ what, text, name, namespace, ends });
}

/** A host that a ServiceEntry's wildcard covers. */
function isCovered(name: string, { destination_service: host = "" }: Labels): boolean {
  return name.includes(".") && hostMatches(host, name);
}
