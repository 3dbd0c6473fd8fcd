// Whole releases, decision by decision, under traffic that isn't drawn from the model that judges it: how many healthy ones are sent back. Prints each rate
// with its exact 95 % interval; docs/decisions/016 has the numbers of one run.

import { expect, test } from "vitest";
import { type Trace, type TraceSettings, traceOf } from "../../src/release/testing/traces.ts";
import { World } from "../../src/release/testing/world.ts";
import { clopperPearson, printedRate } from "../../src/stats/testing/proportion-interval.ts";
import { randomOf } from "../../src/stats/testing/random.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);
const alpha = 0.01;
/** Weights change each minute; judged as by default. */
const steps = [1, 5, 25, 50].map((setWeight) => ({ setWeight, for: "60s", advance: "clock" }));
const spec = { steps, warm: "5s", analysis: { falseAlarm: alpha } };
const longest = 1200;

/** Runs one release to its end. */
function released(trace: Trace): World {
  const world = new World({ spec, trace });
  world.until(({ run }) => run?.stage === "done" || run?.stage === "warm", longest);
  return world;
}

const pods = [0.2, 0.5, 2.3];
const traces: readonly (readonly [string, TraceSettings])[] = [
  ["steady rates", {}],
  ["drifting rates", { rate: (second) => 0.01 * (1 + 0.8 * Math.sin(second / 40)) }],
  ["incidents of both versions", { incidents: { begin: 0.02, end: 0.1 } }],
  ["requests that come and go", { requests: (second) => 100 * (1 + 0.9 * Math.sin(second / 25)) }],
  ["bursts of single pods", { rate: () => 0.001, pods: [1, 1], burst: 1 / 600 }],
  ["errors that come in company", { wavering: 0.3 }],
  ["failures tried again twice", { retries: 2 }],
  ["uneven pods", { pods }],
  [
    "all of it at once",
    {
      rate: (second) => 0.005 * (1 + 0.5 * Math.sin(second / 40)),
      requests: (second) => 100 * (1 + 0.5 * Math.sin(second / 25)),
      incidents: { begin: 0.01, end: 0.1 },
      pods,
      burst: 1 / 1200,
      wavering: 0.2,
      retries: 1,
    },
  ],
];
const runsEach = 225;
const seen = { wrong: 0, runs: 0 };

test.each(traces)("healthy under %s: false rollbacks within α", (name, settings) => {
  let [wrong, unfinished] = [0, 0];
  for (let seed = 1; seed <= runsEach; seed += 1) {
    const { run } = released(traceOf(settings, randomOf(seed * 7919)));
    if (run?.outcome === "rolledBack") wrong += 1;
    else if (run?.stage !== "warm") unfinished += 1;
  }
  seen.wrong += wrong;
  seen.runs += runsEach;
  say(`${name}: sent back wrongly ${printedRate(wrong, runsEach)}; ${unfinished} undecided after ${longest} s`);
  expect(clopperPearson(wrong, runsEach).low).toBeLessThanOrEqual(alpha);
});

test("all healthy runs together", () => {
  say(`healthy, all traces: sent back wrongly ${printedRate(seen.wrong, seen.runs)}`);
  expect(seen.runs).toBeGreaterThanOrEqual(2000);
  expect(clopperPearson(seen.wrong, seen.runs).high).toBeLessThanOrEqual(alpha);
});

test.each(traces)("bad under %s: sent back all the same", (name, settings) => {
  const runs = 20;
  const ends = Array.from({ length: runs }, (_, seed) => {
    const world = released(traceOf({ ...settings, candidateTimes: 20 }, randomOf(seed * 104_729 + 1)));
    return { isBack: world.run?.outcome === "rolledBack", failed: world.run?.evidence.failedRequests ?? 0 };
  });
  const back = ends.filter(({ isBack }) => isBack).length;
  const failed = ends.map((end) => end.failed).toSorted((a, b) => a - b);
  say(`${name}, candidate 20 times worse: sent back ${back} of ${runs}, failed tries at it ${failed[runs / 2]} (median)`);
  expect(back).toBe(runs);
});
