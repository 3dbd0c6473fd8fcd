import { expect, test } from "vitest";
import { isCronMinute, parseCron } from "./cron.ts";

// Friday, 20 November 2026.
const friday = { minute: 0, hour: 18, day: 20, month: 11, weekday: 5 };

test.each([
  ["0 18 * * FRI", true],
  ["0 18 * * 5", true],
  ["0 18 * * fri", true],
  ["0 18 * NOV *", true],
  ["*/15 18 * * 1-5", true],
  ["0-30/10 17-19 20 11 *", true],
  ["1 18 * * FRI", false],
  ["0 18 * * SAT,SUN", false],
  ["0 18 * * MON-THU", false],
  ["0 18 * DEC *", false],
  // Both days given: either will do, as in every cron.
  ["0 18 1 * FRI", true],
  ["0 18 20 * MON", true],
  ["0 18 1 * MON", false],
])("%s on a Friday at 18:00: %s", (text, expected) => {
  const cron = parseCron(text);
  expect(cron && isCronMinute(cron, friday)).toBe(expected);
});

test("Sunday is 0 and 7", () => {
  for (const text of ["* * * * 0", "* * * * 7", "* * * * SUN", "* * * * 6-7"]) {
    const cron = parseCron(text);
    expect(cron && isCronMinute(cron, { ...friday, weekday: 0 })).toBe(true);
  }
});

test.each([
  "",
  "0 18 * *",
  "0 18 * * FRI 2026",
  "60 * * * *",
  "* 24 * * *",
  "* * 0 * *",
  "* * 32 * *",
  "* * * 13 *",
  "* * * * 8",
  "* * * * FRY",
  "5-1 * * * *",
  "*/0 * * * *",
  "@daily",
  "a b c d e",
  "0 0 30 2 *",
  "1,,2 * * * *",
])("%j is no cron time", (text) => expect(parseCron(text)).toBeUndefined());

test("29 February comes", () => expect(parseCron("0 0 29 2 *")).toBeDefined());
