import pc from "picocolors";
import { expect, test } from "vitest";
import type { ReleaseView } from "../http/release-contract.ts";
import { folded } from "./live-place.ts";
import { releaseLines } from "./release-view.ts";

const startedAt = "2026-11-02T10:00:00.000Z";
const view: ReleaseView = {
  namespace: "shop",
  name: "catalog",
  service: "catalog",
  status: {
    phase: "Progressing",
    stable: "v1",
    candidate: "v2",
    step: 1,
    steps: 2,
    weightPercent: 20,
    sharePercent: 18.4,
    proxies: { acknowledged: 8, total: 8 },
    verdict: "errors 0 % of 76 against 0 % of 361: no harm found (evidence 0.5:1, rolls back at 100:1)",
    failedRequests: 1,
    findings: ["90 requests to catalog came from callers without a proxy"],
    conditions: [],
  },
  etaSeconds: 26,
  requestsPerSecond: 29.7,
  steps: [
    { step: 1, kind: "setWeight", exposure: "20 % of requests", state: "current", since: startedAt },
    { step: 2, kind: "setWeight", exposure: "50 % of requests", state: "next" },
  ],
  story: [],
  waitingInputs: 0,
  answers: [],
};

test("a release as a tree, which fits 80 columns but for its verdict", () => {
  const lines = releaseLines(view, pc.createColors(false), Date.parse(startedAt) + 12_000);
  expect(lines).toEqual([
    "shop/catalog  v1 → v2  ● Progressing   8/8 proxies",
    "├─ ● 1  20 % of requests   12 s, measured 18.4 %, 29.7 requests/s, ~26 s to go",
    "└─ ○ 2  50 % of requests",
    "errors 0 % of 76 against 0 % of 361: no harm found (evidence 0.5:1, rolls back at 100:1)",
    "1 request to v2 failed",
    "! 90 requests to catalog came from callers without a proxy",
  ]);
  expect(lines.flatMap((line) => folded(line, 79))).toHaveLength(lines.length + 1);
});

test("who is paused says what goes on; a pause by the clock goes on by itself", () => {
  const { etaSeconds: _, ...rest } = view;
  const first = (more: Partial<ReleaseView>): string =>
    releaseLines({ ...rest, status: { ...view.status, phase: "Paused" }, ...more }, pc.createColors(false), Date.parse(startedAt))[1] ?? "";
  expect(first({})).toContain("waits for a person: lateen release resume catalog -n shop");
  const byClock = first({ etaSeconds: 9, steps: [{ step: 1, kind: "pause", exposure: "nobody", state: "current", since: startedAt }] });
  expect(byClock).toContain("~9 s to go");
  expect(byClock).not.toContain("waits");
  expect(first({ etaSeconds: 0 })).not.toContain("to go");
});
