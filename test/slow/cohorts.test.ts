// Five thousand users of two releases at once on a real gateway, through all shares of a rollout: nobody moves back, and each release has users of its own.

import { expect, test } from "vitest";
import { cohortPoint } from "../../src/model/releases/cohort-point.ts";
import type { ReleaseRoute } from "../../src/model/releases/release-route.ts";
import { startCohortWorld } from "../harness/cohort-world.ts";
import { startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { releaseOf } from "../harness/release-world.ts";

const users = Array.from({ length: 5000 }, (_, index) => `user-${index}`);
const services = ["catalog", "stock"] as const;
const release = (service: string, percent: number): ReleaseRoute => ({
  ...releaseOf(service, 100 * percent, { sticky: { cookie: "who" } }),
  name: `test/${service}`,
  namespace: "test",
});

test("0, 1, 5, 10, 20, 50 and 100 percent of 5,000 users", async () => {
  await using world = await startCohortWorld();
  await using gateway = await startGatewayEnvoy(world.yaml);
  const before = new Map<string, ReadonlySet<string>>();
  for (const percent of [0, 1, 5, 10, 20, 50, 100]) {
    await gateway.release(services.map((service) => release(service, percent)));
    for (const service of services) {
      const answers = await Promise.all(
        users.map(async (user) => ({ user, ...(await world.ask(`${service}.example`, { cookie: `who=${user}` })) })),
      );
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      const now = new Set(answers.filter(({ version }) => version === "v2").map(({ user }) => user));
      expect([...(before.get(service) ?? [])].filter((user) => !now.has(user))).toEqual([]);
      expect(now).toEqual(new Set(users.filter((user) => cohortPoint(`test/${service}`, user) >= 10_000 - 100 * percent)));
      const [share, deviation] = [percent / 100, Math.sqrt((users.length * percent * (100 - percent)) / 10_000)];
      expect(Math.abs(now.size - users.length * share)).toBeLessThanOrEqual(5 * deviation);
      before.set(service, now);
    }
    const both = [...(before.get("catalog") ?? [])].filter((user) => before.get("stock")?.has(user)).length;
    const share = (percent / 100) ** 2;
    expect(Math.abs(both - users.length * share)).toBeLessThanOrEqual(5 * Math.sqrt(users.length * share * (1 - share)));
  }
});
