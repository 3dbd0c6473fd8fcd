// The demo's releases as a person sees them: a good version is promoted, a bad one goes back by itself, and what the user wrote stays as it was.

import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createApiClient } from "../../src/http/client.ts";
import { type DemoProcess, finishDemo, scenarioEnd, startDemoProcess } from "../harness/demo-process.ts";
import { eventually } from "../harness/eventually.ts";

/** A machine that is busy with other tests takes its time. */
const deadlineMs = 300_000;
/** Fewer than the demo's own 100 per second, so that a busy machine keeps up. */
const rate = 60;

let run: DemoProcess;
let before: readonly string[];
let after: readonly string[];
let code: number | null;

/** VirtualServices, DestinationRules and Services as the API has them, without status, as text. */
async function usersObjects(): Promise<readonly string[]> {
  const client = createApiClient({ socketPath: join(run.home, "lateen/demo/api.sock") });
  try {
    const lists = await Promise.all((["VirtualService", "DestinationRule", "Service"] as const).map((kind) => client.list(kind)));
    return lists.flatMap(({ items }) => items.map(({ status: _status, ...object }) => JSON.stringify(object))).toSorted();
  } finally {
    client.close();
  }
}

beforeAll(async () => {
  run = startDemoProcess(["--scenario", "canary", "--rate", String(rate), "--output", "json"]);
  const says = (text: string) => () => run.stderr().includes(text) || run.child.exitCode !== null;
  await eventually(says("gateway: http://"), deadlineMs, "the demo's start");
  before = await usersObjects();
  // While open connections to v3 may end by themselves, the mesh still stands.
  await eventually(says("v2 has all traffic again"), deadlineMs, "the bad version's way back");
  after = await usersObjects();
  code = await run.exited;
}, deadlineMs);

afterAll(async () => {
  await finishDemo(run);
});

it("ends with one object: v2 promoted, v3 back by itself, each with seconds, failed requests and a verdict with numbers", () => {
  expect(code, run.stderr()).toBe(0);
  expect(run.stdout().trim().split("\n")).toHaveLength(1);
  const { releases } = scenarioEnd(run);
  expect(releases).toMatchObject([
    { service: "catalog", candidate: "v2", phase: "Succeeded", verdict: expect.stringMatching(/^errors .* shown to be within the margin/) },
    { service: "catalog", candidate: "v3", phase: "RolledBack", verdict: expect.stringMatching(/worse than allowed by /) },
  ]);
  expect(releases[1]?.failedRequests).toBeGreaterThan(0);
  for (const { seconds } of releases) expect(seconds).toBeGreaterThan(0);
});

it("lets no visitor's request fail but by a version's own errors, and keeps every promise", () => {
  const end = scenarioEnd(run);
  expect(end.otherFailures, run.stderr()).toBe(0);
  expect(end.promises.filter(({ kept }) => !kept)).toEqual([]);
  expect(end.promises.length).toBeGreaterThan(2);
});

it("leaves VirtualServices, DestinationRules and Services byte for byte as they were", () => {
  expect(before.length).toBeGreaterThan(5);
  expect(after).toEqual(before);
});

it("says what the margin is, what the default one would take, and what fixed thresholds would have cost", () => {
  expect(run.stderr()).toMatch(/tolerates 2 percentage points more errors .* the default margin .* would take about \d+ min/);
  expect(run.stderr()).toMatch(/with a fixed threshold: 5 min, \d+ failed requests/);
});
