// How many requests there were, by how many durations were recorded: a proxy that joins all tags in one has no counter of requests, which would cost each
// request as much as a histogram does, with the same tags. Deltas → deltas.

import { joinedTag } from "./composite-tags.ts";
import type { CounterDelta, Delta } from "./exact-counters.ts";
import { countOf } from "./point.ts";
import type { StandardMetricName } from "./standard-metrics.ts";

const timed: StandardMetricName = "istio_request_duration_milliseconds";
const counted: StandardMetricName = "istio_requests_total";

/** The deltas, and before each of requests' durations its number of requests. Envoy counts the values of a histogram exactly; only their sum is estimated. */
export function withRequestCounts(deltas: readonly Delta[]): readonly Delta[] {
  return deltas.flatMap((delta) => (isOfRequests(delta) ? [countOfRequests(delta), delta] : [delta]));
}

/** A proxy whose tags come apart counts requests itself. */
function isOfRequests(delta: Delta): delta is Delta & { readonly kind: "histogram" } {
  return delta.kind === "histogram" && delta.name === timed && Object.hasOwn(delta.labels, joinedTag);
}

function countOfRequests(delta: Delta & { readonly kind: "histogram" }): CounterDelta {
  // A series' key begins with its name (point.ts).
  const key = delta.key.replace(timed, counted);
  return { kind: "counter", key, name: counted, labels: delta.labels, value: countOf(delta) };
}
