// Durations: Go's syntax and range, and proto3 JSON's form.

import { expect, test } from "vitest";
import { durationMs, parseDuration, protoDuration } from "./duration.ts";

test.each([
  ["0", 0],
  ["25ms", 25],
  ["1.5s", 1500],
  ["1h10m", 4_200_000],
  ["-2s", -2000],
  ["2562047h", 9_223_369_200_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

// The last is longer than Go's longest: once taken, it could not be written as a message, and no proxy got its configuration any more.
test.each(["", "5", "s", "1.s2", "1d", "one", "-", "2562048h", "9999999999h"])("%j is none", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test("proto3 JSON has seconds with up to nine digits", () => {
  expect([25, 1500, 60_000, 0.001].map((ms) => protoDuration(durationMs(ms)))).toEqual(["0.025s", "1.5s", "60s", "0.000001s"]);
});
