// Users keep their version while its share grows, on a real gateway and at the hops behind it.

import { expect, test } from "vitest";
import { cohortMember, cohortValue } from "../../src/model/releases/cohort.ts";
import { cohortPoint } from "../../src/model/releases/cohort-point.ts";
import type { ReleaseRoute } from "../../src/model/releases/release-route.ts";
import { startCohortWorld } from "../harness/cohort-world.ts";
import { startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { audience, clusterOf, releasedWorld, releaseOf, serviceYaml, tableOf } from "../harness/release-world.ts";
import { startRouteEnvoy } from "../harness/route-envoy.ts";
import { securityYaml } from "../harness/security-yaml.ts";
import { keySetOf, tokenSigner } from "../harness/tokens.ts";

const users = Array.from({ length: 400 }, (_, index) => `user-${index}`);
const release = (service: string, share: number, more: Partial<ReleaseRoute> = {}): ReleaseRoute => ({
  ...releaseOf(service, share, { sticky: { cookie: "who" }, ...more }),
  name: `test/${service}`,
  namespace: "test",
});

test("a share of users only grows, each release has its own, and everybody can compute it", async () => {
  await using world = await startCohortWorld();
  await using gateway = await startGatewayEnvoy(world.yaml);
  const chosen = async (service: string): Promise<ReadonlySet<string>> => {
    const answers = await Promise.all(
      users.map(async (user) => [user, await world.ask(`${service}.example`, { cookie: `a=b; who=${user}; c=d` })] as const),
    );
    expect(answers.filter(([, { status }]) => status !== 200)).toEqual([]);
    return new Set(answers.flatMap(([user, { version }]) => (version === "v2" ? [user] : [])));
  };
  let before: ReadonlySet<string> = new Set();
  for (const percent of [0, 1, 5, 20, 50, 100]) {
    await gateway.release([release("catalog", 100 * percent), release("stock", 100 * percent)]);
    const now = await chosen("catalog");
    expect(now).toEqual(new Set(users.filter((user) => cohortPoint("test/catalog", user) >= 10_000 - 100 * percent)));
    expect([...before].filter((user) => !now.has(user))).toEqual([]);
    before = now;
    if (percent !== 50) continue;
    const both = [...(await chosen("stock"))].filter((user) => now.has(user));
    // 100 expected of 400; ± 5 standard deviations.
    expect(Math.abs(both.length - 100)).toBeLessThan(44);
  }
});

test("a user without the cookie gets one that keeps the version, also at hops that are told", async () => {
  await using world = await startCohortWorld();
  await using gateway = await startGatewayEnvoy(world.yaml);
  await gateway.release([release("catalog", 5000)]);
  const { member } = cohortMember({ cookie: "who" });
  const told = new Map<string, string>();
  for (let user = 0; user < 40; user += 1) {
    const first = await world.ask("catalog.example", { baggage: `k=v,${member}=0123456789abcdef` });
    const [cookie = ""] = first.cookies;
    expect(cookie).toMatch(/^who=[\w-]{36}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/);
    const [pair = ""] = cookie.split(";");
    expect(first.baggage).toBe(`k=v,${member}=${cohortValue(pair.slice(4))}`);
    const again = await world.ask("catalog.example", { cookie: pair });
    expect(again).toEqual({ status: 200, version: first.version, baggage: `${member}=${cohortValue(pair.slice(4))}`, cookies: [] });
    told.set(again.baggage, again.version);
  }
  expect(new Set(told.values())).toEqual(new Set(["v1", "v2"]));
  // The same release as a sidecar sees it, deeper in the chain.
  const inner = releasedWorld(
    [serviceYaml("catalog", ["v1", "v2"])],
    [releaseOf("catalog", 5000, { name: "test/catalog", sticky: { cookie: "who" } })],
  );
  await using sidecar = await startRouteEnvoy(
    tableOf(inner),
    ["v1", "v2"].map((subset) => clusterOf("catalog", subset)),
  );
  for (const [baggage, version] of told) {
    const answer = await sidecar.send({ host: "catalog", headers: { baggage: `x=y, ${baggage};p=1,z=1` } });
    expect(answer.upstream?.server).toBe(clusterOf("catalog", version));
  }
  const byChance = await Promise.all(Array.from({ length: 60 }, () => sidecar.send({ host: "catalog", headers: { baggage: "x=y" } })));
  expect(new Set(byChance.map(({ upstream }) => upstream?.server)).size).toBe(2);
});

test("users are told apart by a header or a verified claim as well", async () => {
  await using world = await startCohortWorld();
  const signer = tokenSigner("ES256", "one");
  const rule = { issuer: "issuer", jwks: keySetOf(signer) };
  const authentication = securityYaml("RequestAuthentication", "test/a", { jwtRules: [rule] });
  await using gateway = await startGatewayEnvoy(`${world.yaml}---\n${authentication}`);
  await gateway.release([
    release("catalog", 5000, { sticky: { claim: "sub" } }),
    release("stock", 5000, {
      sticky: { header: "X-User" },
      matches: [{ audience: audience({ claims: { group: { exact: "staff" } } }), arm: 1 }],
    }),
  ]);
  const place = (name: string, user: string) => (cohortPoint(`test/${name}`, user) >= 5000 ? "v2" : "v1");
  const token = (claims: object) => ({ authorization: `Bearer ${signer.token({ iss: "issuer", ...claims })}` });
  for (const user of users.slice(0, 20)) {
    const byClaim = await world.ask("catalog.example", token({ sub: user }));
    expect(byClaim).toMatchObject({
      version: place("catalog", user),
      baggage: `${cohortMember({ claim: "sub" }).member}=${cohortValue(user)}`,
    });
    const byHeader = await world.ask("stock.example", { "x-user": user });
    expect(byHeader).toMatchObject({ version: place("stock", user), cookies: [] });
    expect((await world.ask("stock.example", { "x-user": user, ...token({ sub: "a", group: ["staff"] }) })).version).toBe("v2");
  }
  const { member } = cohortMember({ header: "x-user" });
  expect((await world.ask("stock.example", { baggage: `${member}=00,a=b` })).baggage).toBe("a=b");
});
