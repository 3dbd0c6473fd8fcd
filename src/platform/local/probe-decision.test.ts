import { expect, test } from "vitest";
import { decideProbe, firstProbe, type ProbeSettings, type ProbeState } from "./probe-decision.ts";

/** Plays a probe whose result at a time is given; returns what happened until `endMs`. */
function play(settings: ProbeSettings, succeedsAt: (ms: number) => boolean, endMs: number) {
  let { state, nextInMs } = firstProbe(settings);
  let now = 0;
  const changes: [number, ProbeState["verdict"] | "restart"][] = [];
  let tries = 0;
  while (nextInMs !== undefined && now + nextInMs <= endMs) {
    now += nextInMs;
    tries += 1;
    const before = state.verdict;
    const decision = decideProbe(settings, state, { success: succeedsAt(now), atMs: now });
    ({ state, nextInMs } = decision);
    if (decision.restart) changes.push([now, "restart"]);
    else if (state.verdict !== before) changes.push([now, state.verdict]);
  }
  return { changes, tries };
}

test("readiness notices a start within 50 ms, whatever the period", () => {
  expect(play({ kind: "readiness", periodSeconds: 10 }, (ms) => ms >= 220, 1000).changes).toEqual([[250, "success"]]);
});

test("readiness falls after failureThreshold periods and rises again", () => {
  const settings: ProbeSettings = { kind: "readiness", periodSeconds: 1, failureThreshold: 2 };
  expect(play(settings, (ms) => ms < 1500 || ms >= 4500, 7000).changes).toEqual([
    [0, "success"],
    [3000, "failure"],
    [5000, "success"],
  ]);
});

test("startup: restart after failureThreshold periods, over after the first success", () => {
  expect(play({ kind: "startup", periodSeconds: 1, failureThreshold: 3 }, () => false, 60_000).changes).toEqual([[2000, "restart"]]);
  expect(play({ kind: "startup", periodSeconds: 1 }, (ms) => ms >= 100, 60_000)).toEqual({ changes: [[100, "success"]], tries: 3 });
});

test("liveness waits for its initial delay and restarts after failureThreshold failures", () => {
  const settings: ProbeSettings = { kind: "liveness", initialDelaySeconds: 5, periodSeconds: 2, failureThreshold: 2 };
  expect(play(settings, () => false, 60_000).changes[0]).toEqual([7000, "restart"]);
  expect(play(settings, (ms) => ms < 10_000, 60_000).changes).toEqual([
    [5000, "success"],
    [13_000, "restart"],
  ]);
});

test("the initial delay spares failures, not successes", () => {
  const settings: ProbeSettings = { kind: "startup", initialDelaySeconds: 10, periodSeconds: 1, failureThreshold: 1 };
  expect(play(settings, (ms) => ms >= 500, 60_000).changes).toEqual([[500, "success"]]);
  expect(play(settings, () => false, 60_000).changes).toEqual([[10_000, "restart"]]);
});

test("successThreshold counts successes in a row", () => {
  const settings: ProbeSettings = { kind: "readiness", periodSeconds: 1, successThreshold: 3 };
  expect(play(settings, (ms) => ms !== 50, 5000).changes).toEqual([[200, "success"]]);
});
