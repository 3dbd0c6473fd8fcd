// Golden numbers as the API tells them: the store's rows with the age of the data. Implements StatView.

import type { StatQuery, StatReply } from "../../http/telemetry-contract.ts";
import { newestOf } from "../../telemetry/samples/window.ts";
import { parseStatParty } from "../../telemetry/stat/party.ts";
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
  const party = (text: string | undefined) => (text === undefined ? undefined : parseStatParty(text, undefined));
  const open = [...telemetry.openConnections()].map(({ labels }) => labels);
  const rows = statRows(store, { by, reporter, fromMs: toMs - windowMs, toMs, namespace, name, from: party(from), to: party(to), open });
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
