// Golden numbers as the API tells them: the store's rows with the age of the data. Implements StatView.

import type { StatQuery, StatReply } from "../../http/telemetry-contract.ts";
import { BadInput } from "../../lib/errors.ts";
import { type Party, parseParty } from "../../telemetry/party.ts";
import { newestOf } from "../../telemetry/samples/window.ts";
import { newestTrafficMs, statRows } from "../../telemetry/stat/stat.ts";
import type { MeshTelemetry } from "./mesh-telemetry.ts";

/** A window ends at the newest second that was reported; when that is older, proxies are silent, and the window ends here before now. */
const lateMs = 2000;
/** A proxy that hasn't reported for so long is silent: three flushes. */
const silentMs = 4000;

/** Answers a query. */
export function meshStat(telemetry: MeshTelemetry, query: StatQuery): StatReply {
  const { by, reporter, windowMs, namespace, name, from, to } = query;
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
