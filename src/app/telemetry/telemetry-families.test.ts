// What the traces say of themselves on the metrics page.

import { expect, test } from "vitest";
import { tracesFamilies } from "./telemetry-families.ts";

test("what traces had no room for is told, sorted by name", () => {
  const counts = { traces: 3, bytes: 4000, spans: 7, droppedSpans: 2, evicted: 5 };
  const families = tracesFamilies({ counts, refusedReports: 9 });
  expect(families.map(({ name, type, samples }) => [name, type, samples[0]?.value])).toEqual([
    ["lateen_traces", "gauge", 3],
    ["lateen_traces_application_reports_refused_total", "counter", 9],
    ["lateen_traces_bytes", "gauge", 4000],
    ["lateen_traces_evicted_total", "counter", 5],
    ["lateen_traces_spans", "gauge", 7],
    ["lateen_traces_spans_dropped_total", "counter", 2],
  ]);
});
