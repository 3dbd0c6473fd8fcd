// gRPC calls whose number of messages isn't that of an ordinary call, as proxies log them → Istio's message counters. Envoy's stats logger can add a number
// only where a format prints just that; grpc_stats prints both in one text ("2,0"), so calls with one message each way, or one and no answer, are counted in
// the proxy, and all others are logged to the control plane.

import { compositeTags } from "./composite-tags.ts";
import type { CounterDelta } from "./exact-counters.ts";
import type { OtlpLogRecord } from "./otlp-logs.ts";
import { seriesKey } from "./point.ts";
import type { StandardMetricName } from "./standard-metrics.ts";

/** `log_name` of these logs. */
export const messageLogName = "lateen_grpc_messages";
/** Attribute, beside the tags: "<messages from the client>,<messages from the server>". */
export const messagesAttribute = "messages";

/** All of a record's tags together, as in connections.ts. */
const maxTagText = 8192;

/** What the records add, one difference per call and direction; what isn't such a record adds nothing. */
export function messageCountsOf(records: readonly OtlpLogRecord[]): readonly CounterDelta[] {
  return records.flatMap(({ attributes }) => {
    const textOf = (name: string): string => (Object.hasOwn(attributes, name) ? (attributes[name] ?? "") : "");
    const [, requests = "", responses = ""] = /^(\d{1,15}),(\d{1,15})$/.exec(textOf(messagesAttribute)) ?? [];
    const labels = Object.fromEntries(Object.values(compositeTags).map((tag) => [tag, textOf(tag)]));
    if (Object.values(labels).reduce((sum, { length }) => sum + length, 0) > maxTagText) return [];
    const delta = (name: StandardMetricName, value: number): readonly CounterDelta[] =>
      value === 0 ? [] : [{ kind: "counter", key: seriesKey({ name, labels }), name, labels, value }];
    return [...delta("istio_request_messages_total", Number(requests)), ...delta("istio_response_messages_total", Number(responses))];
  });
}
