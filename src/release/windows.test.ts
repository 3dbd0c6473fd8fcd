import { expect, test } from "vitest";
import { durationMs } from "../lib/duration.ts";
import { freezeAt } from "./windows.ts";

const hour = 3_600_000;
const windows = (cron: string, hours: number, timezone = "UTC") => ({ deny: [{ cron, for: durationMs(hours * hour) }], timezone });
const until = (...args: Parameters<typeof freezeAt>) => {
  const freeze = freezeAt(...args);
  return freeze === undefined ? undefined : new Date(freeze.until).toISOString();
};

// 20 November 2026 is a Friday.
const weekend = windows("0 18 * * FRI", 60);

test.each([
  ["2026-11-20T17:59:59Z", undefined],
  ["2026-11-20T18:00:00Z", "2026-11-23T06:00:00.000Z"],
  ["2026-11-22T12:34:56Z", "2026-11-23T06:00:00.000Z"],
  ["2026-11-23T05:59:59Z", "2026-11-23T06:00:00.000Z"],
  ["2026-11-23T06:00:00Z", undefined],
])("the weekend at %s: until %s", (at, expected) => expect(until(weekend, Date.parse(at))).toBe(expected));

test.each([
  // Winter: 18:00 in Berlin is 17:00 UTC; summer: 16:00.
  ["Europe/Berlin", "2026-11-20T17:00:00Z", true],
  ["Europe/Berlin", "2026-11-20T16:59:00Z", false],
  ["Europe/Berlin", "2026-07-17T16:00:00Z", true],
  ["Europe/Berlin", "2026-07-17T15:59:00Z", false],
  ["America/New_York", "2026-11-20T23:00:00Z", true],
  ["Asia/Kathmandu", "2026-11-20T12:15:00Z", true],
  ["Asia/Kathmandu", "2026-11-20T12:14:00Z", false],
])("18:00 in %s, at %s: %s", (timezone, at, expected) => {
  expect(freezeAt(windows("0 18 * * FRI", 1, timezone), Date.parse(at)) !== undefined).toBe(expected);
});

test("the window that ends last counts; none is open without any", () => {
  const both = { deny: [...windows("0 * * * *", 1).deny, ...windows("0 10 * * *", 5).deny], timezone: "UTC" };
  expect(until(both, Date.parse("2026-11-20T11:30:00Z"))).toBe("2026-11-20T15:00:00.000Z");
  expect(freezeAt({ deny: [], timezone: "UTC" }, 0)).toBeUndefined();
  expect(freezeAt(windows("nonsense", 1), 0)).toBeUndefined();
});
