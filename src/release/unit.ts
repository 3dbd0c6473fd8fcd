// What a run's traffic is counted in: requests, or connections where a service is TCP alone. Evidence → its unit, and what metrics are called by it; a second → trials.

import type { Arm } from "../stats/block.ts";
import type { ArmSecond, TrafficUnit } from "./observation.ts";
import type { Evidence } from "./state.ts";

/** What was seen of both versions, and before that what the service's ports said when the run began. */
export function unitOf({ unit = "requests", seen }: Pick<Evidence, "unit" | "seen">): TrafficUnit {
  if (seen === undefined || seen.requests + seen.connections === 0) return unit;
  return seen.requests > 0 ? "requests" : "connections";
}

/** Requests and connections of one second that can be told to be good or bad. */
export function trialsOf({ requests, errors, connections = noConnections }: ArmSecond): Arm {
  return { trials: requests + connections.tried, events: errors + connections.failed };
}

const noConnections = { opened: 0, tried: 0, failed: 0 };

/** How a metric is called: a connection has no errors, it fails. */
export function metricName(name: string, evidence: Pick<Evidence, "unit" | "seen">): string {
  return name === "errors" && unitOf(evidence) === "connections" ? "connection failures" : name;
}
