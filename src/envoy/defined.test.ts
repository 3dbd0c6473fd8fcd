import { expect, test } from "vitest";
import { defined } from "./defined.ts";

interface RetryJson {
  attempts?: number;
  on?: string;
  name: string;
}

test("drops undefined keys and keeps every value, zero included", () => {
  const on: string | undefined = undefined;
  expect(defined<RetryJson>({ attempts: 0, on, name: "" })).toEqual({ attempts: 0, name: "" });
  expect(Object.keys(defined<RetryJson>({ attempts: 0, on, name: "" }))).toEqual(["attempts", "name"]);
});

test("a misspelt or missing key does not compile", () => {
  // @ts-expect-error unknown key
  expect(defined<RetryJson>({ name: "x", attemps: 1 })).toBeDefined();
  // @ts-expect-error required key
  expect(defined<RetryJson>({ attempts: 1 })).toBeDefined();
  // @ts-expect-error required key may not be undefined
  expect(defined<RetryJson>({ name: undefined })).toBeDefined();
});
