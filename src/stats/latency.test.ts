// Latency by histogram edges: counts beyond edges, the edge at fault, shared slowness; and the band for drawing.

import { expect, test } from "vitest";
import { logEvidence, observe, startHarm } from "./harm.ts";
import {
  edgeEvidence,
  everyEdgeLogEvidence,
  guiltyEdge,
  latencyLogEvidence,
  observeLatency,
  startLatency,
  startLatencyGoOn,
} from "./latency.ts";
import { bandRadius } from "./latency-band.ts";
import { printedRate } from "./testing/proportion-interval.ts";
import { binomial, randomOf } from "./testing/random.ts";

const edgesMs = [10, 50, 100, 500];

/** Counts per bucket of requests whose share beyond each edge is given. */
function histogram(random: () => number, requests: number, beyond: readonly number[]): readonly number[] {
  let left = requests;
  let before = 1;
  const counts = beyond.map((share) => {
    const slower = binomial(random, left, before === 0 ? 0 : share / before);
    const here = left - slower;
    left = slower;
    before = share;
    return here;
  });
  return [...counts, left];
}

function played(candidate: readonly number[], baseline: readonly number[], blocks: number, start = startLatency(edgesMs)) {
  const random = randomOf(11);
  let state = start;
  for (let block = 0; block < blocks; block += 1) {
    state = observeLatency(state, { candidate: histogram(random, 10, candidate), baseline: histogram(random, 90, baseline) });
  }
  return state;
}

test("one edge is the rate process on requests slower than it", () => {
  const settings = startLatency([100]).settings;
  const histogram = { candidate: [90, 10], baseline: [880, 20] };
  const block = { candidate: { trials: 100, events: 10 }, baseline: { trials: 900, events: 20 } };
  const latency = observeLatency(observeLatency(startLatency([100]), histogram), histogram);
  const rate = observe(observe(startHarm(settings), block), block);
  expect(logEvidence(rate)).toBeGreaterThan(0.3);
  expect(latencyLogEvidence(latency)).toBeCloseTo(logEvidence(rate), 12);
  expect(latency.mixtures[0]).toEqual(rate.mixture);
});

test("a slow tail is found, at its edge", () => {
  // Five in a hundred take ten times as long.
  const slow = played([0.9, 0.15, 0.06, 0.05], [0.9, 0.1, 0.01, 0.002], 60);
  expect(latencyLogEvidence(slow)).toBeGreaterThan(Math.log(100));
  expect(guiltyEdge(slow)?.edgeMs).toBe(500);
  expect(edgeEvidence(slow).map(({ edgeMs }) => edgeMs)).toEqual(edgesMs);
});

test("slowness of both is nobody's", () => {
  const random = randomOf(12);
  let state = startLatency(edgesMs);
  for (let block = 0; block < 120; block += 1) {
    const beyond = block % 60 < 30 ? [0.9, 0.1, 0.01, 0.002] : [1, 0.9, 0.5, 0.2];
    state = observeLatency(state, { candidate: histogram(random, 10, beyond), baseline: histogram(random, 90, beyond) });
  }
  expect(state.maxLogEvidence).toBeLessThan(Math.log(20));
});

test("an edge that everything is beyond, or nothing, says nothing wrong", () => {
  const state = played([1, 0.1, 0.01, 0], [1, 0.1, 0.01, 0], 100);
  const [first] = edgeEvidence(state);
  expect(first?.logEvidence).toBeCloseTo(0, 12);
  expect(latencyLogEvidence(state)).toBeLessThan(0.5);
});

test("every edge is shown to be within the margin, or the step doesn't end", () => {
  const margin = { ratio: 1.2, plus: 0.05 };
  const fine = played([0.5, 0.1, 0.01, 0.002], [0.5, 0.1, 0.01, 0.002], 600, startLatencyGoOn(edgesMs, { margin }));
  expect(everyEdgeLogEvidence(fine)).toBeGreaterThan(Math.log(20));
  const slow = played([0.5, 0.1, 0.08, 0.07], [0.5, 0.1, 0.01, 0.002], 600, startLatencyGoOn(edgesMs, { margin }));
  expect(everyEdgeLogEvidence(slow)).toBeLessThan(0);
});

test("missing buckets and counts below zero are nothing", () => {
  const state = observeLatency(startLatency(edgesMs), { candidate: [5, -3, Number.NaN], baseline: [] });
  expect(latencyLogEvidence(state)).toBe(0);
  expect(state.mixtures[0]?.candidate).toEqual({ trials: 5, events: 0 });
});

test("the band's golden values, and its bound for other levels", () => {
  expect(bandRadius(1000, { alpha: 0.05 })).toBeCloseTo(0.08334, 5);
  expect(bandRadius(1000, { alpha: 0.01 })).toBeCloseTo(0.08823, 5);
  expect(bandRadius(31, { alpha: 0.05 })).toBe(1);
  expect(bandRadius(1000, { alpha: 0.02 })).toBeGreaterThan(bandRadius(1000, { alpha: 0.05 }));
  expect(bandRadius(1000, { alpha: 0.0500001 })).toBeGreaterThan(bandRadius(1000, { alpha: 0.05 }));
});

test("100 distributions measured 2,000 times: none leaves the band", () => {
  let left = 0;
  for (let seed = 1; seed <= 100; seed += 1) {
    const random = randomOf(seed);
    const counts = new Float64Array(50);
    let isOut = false;
    for (let t = 1; t <= 2000; t += 1) {
      const bucket = Math.floor(random() * 50);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      if (t % 20 !== 0) continue;
      const radius = bandRadius(t, { alpha: 0.05 });
      let sum = 0;
      isOut ||= counts.some((count, index) => {
        sum += count;
        return Math.abs(sum / t - (index + 1) / 50) > radius;
      });
    }
    if (isOut) left += 1;
  }
  process.stdout.write(`latency band, left at α 0.05: ${printedRate(left, 100)}\n`);
  expect(left).toBeLessThanOrEqual(5);
});
