import { expect, test } from "vitest";
import { releaseSpecSchema } from "../api/release/release.ts";
import { stepsOf } from "../api/release/steps.ts";
import { loweredExposure } from "./enter-step.ts";
import { exposureAt, exposureSchema, exposureWords, noExposure, publicPercent, sameExposure } from "./exposure.ts";

const beta = { headers: { "x-beta": {} } };
const spec = releaseSpecSchema.parse({
  service: "a",
  sticky: { cookie: "c" },
  steps: [
    { mirror: { percent: 10 } },
    { match: beta },
    { compare: { variants: [{ name: "a" }, { name: "b", version: "v2", percent: 30 }] } },
    { pause: {} },
    { setPercent: 20 },
    { ring: { name: "r", percent: 10 } },
    { setWeight: 50 },
    { switch: {} },
  ],
});

test("step by step", () => {
  const steps = stepsOf(spec);
  expect(steps.map((_, index) => exposureWords(exposureAt(steps, index)))).toEqual([
    "copies of 10 % of requests",
    "requests of 1 condition",
    "requests of 1 condition, 2 variants",
    "requests of 1 condition, 2 variants",
    "20 % of users, requests of 1 condition",
    "20 % of users, requests of 1 condition",
    "50 % of requests, 20 % of users, requests of 1 condition",
    "100 % of requests",
  ]);
  expect(steps.map((_, index) => publicPercent(exposureAt(steps, index)))).toEqual([0, 0, 30, 30, 20, 20, 50, 100]);
  expect(exposureAt(steps, -1)).toEqual(noExposure);
});

test("stored and read again it is the same, whatever the order of its keys", () => {
  const exposure = exposureAt(stepsOf(spec), 3);
  const read = exposureSchema.parse(JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(exposure).toReversed()))));
  expect(read).toEqual(exposure);
  expect(sameExposure(read, exposure)).toBe(true);
  expect(sameExposure(read, { ...exposure, weightPercent: 1 })).toBe(false);
});

test.each([
  // Index of the step, and what is left on suspicion, without sight, and after a failure that is held.
  [1, "requests of 1 condition", "copies of 10 % of requests", "copies of 10 % of requests"],
  [4, "10 % of users, requests of 1 condition", "requests of 1 condition", "requests of 1 condition"],
  [6, "20 % of users, requests of 1 condition", "20 % of users, requests of 1 condition", "20 % of users, requests of 1 condition"],
])("step %i lowered: %s; %s; %s", (index, suspicion, blind, failure) => {
  const steps = stepsOf(spec).filter(({ kind }) => kind !== "compare" || index < 4);
  const at = index < 4 ? index : index - 1;
  const words = (["suspicion", "blind", "failure"] as const).map((because) =>
    exposureWords(loweredExposure(steps, { index: at, because })),
  );
  expect(words).toEqual([suspicion, blind, failure]);
});

test("shares that were written to fall are never raised by lowering", () => {
  const steps = stepsOf(releaseSpecSchema.parse({ service: "a", steps: [{ setWeight: 40 }, { setWeight: 5 }] }));
  const left = (["suspicion", "blind", "failure"] as const).map((because) => loweredExposure(steps, { index: 1, because }).weightPercent);
  expect(left).toEqual([2.5, 0, 0]);
});
