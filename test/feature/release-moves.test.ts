// A release's whole life on a real gateway under traffic: every change of routes, clusters and weights, and not one failed request.

import { expect, test } from "vitest";
import type { ReleaseRoute } from "../../src/model/releases/release-route.ts";
import { startCohortWorld } from "../harness/cohort-world.ts";
import { startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { audience, releaseOf } from "../harness/release-world.ts";

const catalog = (share: number, more: Partial<ReleaseRoute> = {}): ReleaseRoute => ({
  ...releaseOf("catalog", share, more),
  name: "test/catalog",
  namespace: "test",
});
const only = (version: string) => catalog(0, { arms: [{ version }], shares: [10_000] });
const beta = { audience: audience({ headers: { "x-beta": { exact: "yes" } } }), arm: 1 };

/** From nothing to promoted and back to nothing, twice: forwards, and given up on the way. */
const life: readonly (readonly ReleaseRoute[])[] = [
  [],
  [only("v1")],
  [catalog(0)],
  [catalog(0, { mirror: { arm: 1, percent: 50 } })],
  [catalog(0, { matches: [beta] })],
  [catalog(10, { matches: [beta] })],
  [catalog(5000, { sticky: { cookie: "who" } })],
  [catalog(10_000, { sticky: { cookie: "who" } })],
  [only("v2")],
  [only("v1")],
  [catalog(2500)],
  [catalog(0)],
  // A version that has no pods may be asked for, and still nobody is turned away.
  [catalog(5000, { arms: [{ version: "v1" }, { version: "v9" }] })],
  [],
];

test("no request fails, and each change is there once it is acknowledged", async () => {
  await using world = await startCohortWorld();
  await using gateway = await startGatewayEnvoy(world.yaml);
  const counts = new Map<number, number>();
  let isOver = false;
  const clients = [{}, { "x-beta": "yes" }, { cookie: "who=ann" }].map(async (headers) => {
    while (!isOver) {
      const { status } = await world.ask("catalog.example", headers).catch(() => ({ status: 0 }));
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  });
  const versions = async (headers = {}) => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => world.ask("catalog.example", headers)));
    return [...new Set(answers.map(({ version }) => version))].sort();
  };
  for (const releases of life) {
    await gateway.release(releases);
    const [release] = releases;
    const asked = release?.arms
      .filter((arm, index) => (release.shares[index] ?? 0) > 10 && arm.version !== "v9")
      .map(({ version }) => version);
    if (asked !== undefined && release?.shares[1] !== 10) expect(await versions()).toEqual(asked);
    if (release?.matches.length === 1) expect(await versions({ "x-beta": "yes" })).toEqual(["v2"]);
  }
  isOver = true;
  await Promise.all(clients);
  expect([...counts.keys()]).toEqual([200]);
});
