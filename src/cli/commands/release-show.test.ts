import { expect, test } from "vitest";
import type { ReleaseView } from "../../http/release-contract.ts";
import type { Phase } from "../../release/status.ts";
import { isDecided, statusCode, storyFeed } from "./release-show.ts";

const viewOf = (phase: Phase, more: Partial<ReleaseView> = {}): ReleaseView => ({
  namespace: "shop",
  name: "catalog",
  service: "catalog",
  status: {
    phase,
    step: 1,
    steps: 1,
    weightPercent: 10,
    proxies: { acknowledged: 1, total: 1 },
    verdict: "",
    failedRequests: 0,
    conditions: [],
  },
  steps: [],
  story: [],
  waitingInputs: 0,
  answers: [],
  ...more,
});

test.each<readonly [Phase, number, boolean]>([
  ["Idle", 0, true],
  ["Waiting", 0, false],
  ["Progressing", 0, false],
  ["Promoting", 0, false],
  ["Finalising", 0, false],
  ["Succeeded", 0, true],
  ["RolledBack", 70, true],
  ["Failed", 70, true],
  ["Paused", 75, true],
  ["Held", 75, true],
])("%s is exit code %i, and decided: %j", (phase, code, decided) => {
  expect([statusCode(viewOf(phase)), isDecided(viewOf(phase))]).toEqual([code, decided]);
});

test("a log gets each decision once, and a new run from its beginning", () => {
  const fresh = storyFeed();
  expect(fresh({ story: ["v2 against v1", "+0 s begins", "0 requests failed so far"] })).toEqual(["v2 against v1", "+0 s begins"]);
  expect(fresh({ story: ["v2 against v1", "+0 s begins", "1 request failed so far"] })).toEqual([]);
  expect(fresh({ story: ["v2 against v1", "+0 s begins", "+5 s on", "1 request failed so far"] })).toEqual(["+5 s on"]);
  expect(fresh({ story: ["v3 against v1", "+0 s begins", "0 requests failed so far"] })).toEqual(["v3 against v1", "+0 s begins"]);
  expect(fresh({ story: [] })).toEqual([]);
});

test("promoted is decided although the old version is warm still; what is asked and not handled yet isn't", () => {
  expect(isDecided(viewOf("Finalising", { story: ["+9 s v2 has all traffic, 8 of 8 proxies know it; v1 stays warm for 10 min"] }))).toBe(
    true,
  );
  expect(isDecided(viewOf("Paused", { waitingInputs: 1 }))).toBe(false);
});
