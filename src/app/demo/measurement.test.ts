import { expect, test } from "vitest";
import type { Hop } from "./answer.ts";
import { type Counts, Measurement } from "./measurement.ts";

function hop(service: string, version: string, more: Partial<Hop> = {}): Hop {
  return { service, version, failed: false, ms: 5, ...more };
}

const requestsOf = (counts: Counts) => counts.versions.map(({ service, version, requests }) => `${service} ${version} ${requests}`);

test("counts requests, failures and latencies per service and version", () => {
  const measurement = new Measurement(0);
  measurement.record([hop("web", "v1"), hop("catalog", "v2", { ms: 2 })], false, 100);
  measurement.record([hop("web", "v1", { failed: true, ms: undefined })], true, 200);
  const total = measurement.total(2000);
  expect(total).toMatchObject({ seconds: 2, requests: 2, failures: 1 });
  expect(requestsOf(total)).toEqual(["web v1 2", "catalog v2 1"]);
  expect(total.versions[0]).toMatchObject({ failures: 1 });
  expect(total.versions[0]?.latency.count).toBe(1);
});

test("the window keeps the last 30 seconds, the total everything", () => {
  const measurement = new Measurement(0);
  for (let second = 0; second < 100; second += 1) measurement.record([hop("web", "v1")], false, second * 1000 + 500);
  const window = measurement.window(99_999);
  expect(window.requests).toBe(30);
  expect(window.seconds).toBeCloseTo(30, 1);
  expect(measurement.total(100_000).requests).toBe(100);
});

test("a window started anew forgets what was before", () => {
  const measurement = new Measurement(0);
  measurement.record([hop("web", "v1")], false, 500);
  measurement.restartWindow(1200);
  measurement.record([hop("web", "v2")], false, 1700);
  expect(requestsOf(measurement.window(2200))).toEqual(["web v2 1"]);
  expect(measurement.window(2200).seconds).toBeCloseTo(1);
});

test("versions without end cost bounded memory", () => {
  const measurement = new Measurement(0);
  for (let index = 0; index < 1000; index += 1) measurement.record([hop("web", `v${index}`)], false, 10);
  expect(measurement.total(20).versions).toHaveLength(64);
  expect(measurement.total(20).requests).toBe(1000);
});
