import { expect, test } from "vitest";
import { observeLatency, startLatency } from "../stats/latency.ts";
import { tellingEdge } from "./latency-words.ts";

const edges = [0.5, 10, 50, 100, 1000];
/** Requests per bucket of one second, seen often. */
const seen = (candidate: readonly number[], baseline: readonly number[], seconds = 20) =>
  Array.from({ length: seconds }).reduce<ReturnType<typeof startLatency>>(
    (state) => observeLatency(state, { candidate, baseline }),
    startLatency(edges),
  );

test("where nothing is worse the slowest twentieth is compared, never an edge that all or none are beyond", () => {
  expect(tellingEdge(seen([0, 50, 45, 4, 1, 0], [0, 500, 450, 40, 10, 0]))).toMatchObject({
    edgeMs: 50,
    candidateShare: 0.05,
    baselineShare: 0.05,
  });
  expect(tellingEdge(seen([0, 100, 0, 0, 0, 0], [0, 900, 0, 0, 0, 0]))).toBeUndefined();
  expect(tellingEdge(startLatency(edges))).toBeUndefined();
});

test("what is worse is named", () => {
  expect(tellingEdge(seen([0, 50, 30, 5, 15, 0], [0, 500, 450, 49, 1, 0]))?.edgeMs).toBe(100);
});
