// Default steps of all nine strategies, and written steps in one shape.

import { expect, test } from "vitest";
import { releaseSpecSchema, strategies } from "./release.ts";
import { plannedStepSchema, stepsOf } from "./steps.ts";

const beta = { headers: { "x-beta": { exact: "yes" } } };
const parts = {
  service: "reviews",
  sticky: { cookie: "c" },
  match: beta,
  rings: [
    { name: "staff", match: beta },
    { name: "some", percent: 10, for: "5m" },
  ],
  variants: [{ name: "control" }, { name: "blue", version: "v2", percent: 50 }],
  flag: { name: "new-cart", variant: "on" },
  preview: { checks: [{ name: "home" }] },
};
const weight = (percent: number) => ({ kind: "setWeight", percent, forMs: 30_000, advance: "evidence" });
const person = { kind: "pause", approvers: [] };
const who = { ...beta, cookies: {}, queryParams: {}, claims: {}, sourceLabels: {} };
const control = { kind: "compare", variants: parts.variants };

const expected: Readonly<Record<(typeof strategies)[number], readonly unknown[]>> = {
  recreate: [{ kind: "rollout", type: "recreate" }],
  rolling: [{ kind: "rollout", type: "rolling" }],
  blueGreen: [
    { kind: "preview", host: "preview-reviews", checks: [{ name: "home", method: "GET", path: "/", status: 200 }], timeoutMs: 300_000 },
    { kind: "switch", forMs: 30_000 },
  ],
  canary: [1, 5, 25, 50, 100].map(weight),
  abTest: [control, person],
  shadow: [{ kind: "mirror", percent: 10, forMs: 300_000, compare: false }, person],
  darkLaunch: [{ kind: "match", match: who, forMs: 30_000 }, person],
  graduated: [
    { kind: "ring", name: "staff", match: who, forMs: 30_000, advance: "evidence" },
    { kind: "ring", name: "some", percent: 10, forMs: 300_000, advance: "evidence" },
  ],
  featureToggle: [{ kind: "flag", name: "new-cart", variant: "on", forMs: 30_000 }, person],
};

test.each(strategies)("%s", (strategy) => {
  const steps = stepsOf(releaseSpecSchema.parse({ ...parts, strategy }));
  expect(steps).toEqual(expected[strategy]);
  for (const step of steps) expect(plannedStepSchema.parse(JSON.parse(JSON.stringify(step)))).toEqual(step);
});

test("without a strategy it is canary; written steps win", () => {
  expect(stepsOf(releaseSpecSchema.parse({ service: "a" }))).toEqual(expected.canary);
  const steps = [
    { mirror: { percent: 10, for: "30s", compare: true } },
    { match: { ...beta, for: "1m" } },
    { setWeight: 0.1 },
    { setWeight: 10, for: "5s", advance: "clock" },
    { pause: {} },
    { pause: { for: "5m", approvers: ["ann"] } },
    { switch: {} },
    { setPercent: 50 },
    { rollout: { type: "rolling" } },
    { flag: { name: "f", variant: "on", for: "2m" } },
    { ring: { name: "r", percent: 3 }, for: "7s" },
  ];
  expect(stepsOf(releaseSpecSchema.parse({ service: "a", steps }))).toEqual([
    { kind: "mirror", percent: 10, forMs: 30_000, compare: true },
    { kind: "match", match: who, forMs: 60_000 },
    weight(0.1),
    { ...weight(10), forMs: 5000, advance: "clock" },
    person,
    { kind: "pause", forMs: 300_000, approvers: ["ann"] },
    { kind: "switch", forMs: 30_000 },
    { kind: "setPercent", percent: 50, forMs: 30_000, advance: "evidence" },
    { kind: "rollout", type: "rolling" },
    { kind: "flag", name: "f", variant: "on", forMs: 120_000 },
    { kind: "ring", name: "r", percent: 3, forMs: 7000, advance: "evidence" },
  ]);
});
