// What is kept of proxies that are gone: the same numbers, and memory that doesn't grow with their number.

import { expect, test } from "vitest";
import type { Delta } from "../exact-counters.ts";
import { SampleStore } from "./sample-store.ts";
import { windowOf } from "./window.ts";

const start = 1_800_000_000;

function counted(value: number): readonly Delta[] {
  return [
    { kind: "counter", key: "c", name: "requests", labels: { service: "shop" }, value },
    { kind: "histogram", key: "h", name: "latency", labels: { service: "shop" }, bounds: [10], counts: [value, 0], sum: value },
  ];
}

/** One pod after the other for 20 seconds each, one request a second and pod, beside one that stays. */
function churn(store: SampleStore, seconds: number, from = 0): void {
  const report = (source: string, second: number) =>
    store.record({ kind: "first", source, fromMs: (second - 1) * 1000, toMs: second * 1000, deltas: counted(1) });
  for (let second = from + 1; second <= seconds; second += 1) {
    const pod = `pod-${Math.floor((second - 1) / 20)}`;
    report(pod, start + second);
    report("stays", start + second);
    if (second % 20 === 0) store.end(pod, "shop/web");
    if (second % 60 === 0) store.expire((start + second) * 1000);
  }
}

const windowUntil = (store: SampleStore, seconds: number, name = "requests") =>
  windowOf(store, { name, by: ["service"], fromMs: start * 1000, toMs: (start + seconds) * 1000 });

test("an hour of pods that come and go is as if they had stayed", () => {
  const store = new SampleStore();
  churn(store, 3600);
  expect(windowUntil(store, 3600)).toMatchObject([{ sum: 7200, seconds: 3600, missing: 0 }]);
  expect(windowUntil(store, 3600, "latency")).toMatchObject([{ sum: 7200, distribution: { bounds: [10], counts: [7200, 0], sum: 7200 } }]);
});

test("they take the room of those of the last quarter of an hour", () => {
  const store = new SampleStore();
  churn(store, 1800);
  const { sources, series, bytes } = store.report();
  churn(store, 5400, 1800);
  const later = store.report();
  expect({ sources: later.sources, series: later.series }).toEqual({ sources, series });
  // What is kept in steps of ten seconds is an hour longer then: a piece of ten minutes for each of two sources and three rows of numbers.
  const pieces = 2 * (5400 / 600 - 1800 / 600);
  expect(later.bytes - bytes).toBeLessThanOrEqual(pieces * 60 * (8 + 8 + 4));
});

test("nothing is left of a workload whose history is too old", () => {
  const store = new SampleStore();
  churn(store, 60);
  store.end("stays", "shop/web");
  store.expire((start + 3600) * 1000);
  expect(store.report()).toMatchObject({ sources: 1, series: 2 });
  store.expire((start + 7 * 3600) * 1000);
  expect(store.report()).toMatchObject({ sources: 0, series: 0, bytes: 0 });
});

test("a pod that comes back before its history went keeps it, and one that comes back later starts anew", () => {
  const store = new SampleStore();
  churn(store, 40);
  store.record({ kind: "first", source: "pod-1", fromMs: (start + 40) * 1000, toMs: (start + 41) * 1000, deltas: counted(5) });
  store.expire((start + 1800) * 1000);
  expect([...store.sources()].map(({ id }) => id).toSorted()).toEqual(["ended: shop/web", "pod-1", "stays"]);
  expect(windowUntil(store, 1800)).toMatchObject([{ sum: 85 }]);
});
