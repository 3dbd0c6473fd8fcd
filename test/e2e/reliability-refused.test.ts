// A proxy that refuses part of its configuration: the object is named, all else works, and a correction heals it.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lateenOn } from "../harness/cli.ts";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { allSynced, envoyStats } from "../harness/outage.ts";
import { istioYaml, routesYaml, to } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

// Envoy takes rings of at most 8,388,608 entries.
const ring = (size: number): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ringed, namespace: default}
spec: {host: ringed, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: ${size}}}}}}
`;
const header = (value: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: default}
spec: {hosts: [server], http: [{route: [{destination: {host: server}}], headers: {response: {set: {x-round: ${value}}}}}]}
`;
const subset = (size: number): string =>
  istioYaml("DestinationRule", "fresh", {
    host: "fresh",
    subsets: [
      {
        name: "new",
        labels: { version: "v1" },
        trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: "x-user", ringHash: { minimumRingSize: size } } } },
      },
    ],
  });
let mesh: TestMesh;

beforeAll(async () => {
  const manifests = `${withoutRetries}${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1"])}---\n${serviceYaml("ringed", { app: "server" })}`;
  mesh = await TestMesh.start({ manifests });
  await mesh.apply(ring(64));
});

afterAll(async () => {
  await mesh?.close();
});

describe("what Envoy refuses", () => {
  it("is named with its object, harms nothing else, and is healed by a correction", async () => {
    const [client = ""] = await mesh.pods("client");
    const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
      const applied = await lateenOn(mesh, ["apply", "-f", "-", "--timeout", "30s"], ring(99_999_999));
      expect(applied.code).toBe(1);
      expect(applied.stderr).toMatch(/refused CDS outbound\|80\|\|ringed\.default\S+ \(from .*DestinationRule default\/ringed/);
      const list = await lateenOn(mesh, ["proxy", "list"]);
      expect(list.code).toBe(79);
      expect(list.stdout).toMatch(/refused CDS outbound\|80\|\|ringed/);
      expect(list.stdout).toMatch(/minimum_?ring_?size/i);
      expect((await lateenOn(mesh, ["status"])).stdout).toMatch(/LTN0903 .*DestinationRule default\/ringed/);
      // Everything else goes on: a structural change of another host, and the refused cluster's last good version.
      const unrelated = await lateenOn(mesh, ["apply", "-f", "-", "--timeout", "30s"], header("two"));
      expect(unrelated).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/^3 of 3 proxies acknowledged in .*\nproxies still refuse other/m),
      });
      expect((await mesh.http("client", "http://server/")).headers["x-round"]).toBe("two");
      expect((await mesh.http("client", "http://ringed/")).status).toBe(200);
      const before = await envoyStats(mesh, client, /^cluster_manager\.cds\.update_rejected$/);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(await envoyStats(mesh, client, /^cluster_manager\.cds\.update_rejected$/)).toEqual(before);
      await mesh.apply(ring(128));
    });
    expect(lossesOf(report)).toEqual(nothing);
    await allSynced(mesh);
    expect((await lateenOn(mesh, ["proxy", "list"])).code).toBe(0);
  });

  it("holds back what needs it, which is said at once with the object to correct, and never waited for", async () => {
    await mesh.apply(serviceYaml("fresh", { app: "server" }));
    // A new subset: proxies have no last good version of its cluster.
    const refused = await lateenOn(mesh, ["apply", "-f", "-", "--timeout", "30s"], subset(99_999_999));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/refused CDS outbound\|80\|new\|fresh\.default\S+ \(from .*DestinationRule default\/fresh/);
    const needing = await lateenOn(mesh, ["apply", "-f", "-", "--timeout", "30s"], routesYaml("fresh", [to("fresh", "new")]));
    expect(needing.code).toBe(1);
    expect(needing.stderr).toMatch(/does not get RDS .*fresh.*VirtualService default\/fresh.*correct .*DestinationRule default\/fresh/);
    const unrelated = await lateenOn(mesh, ["apply", "-f", "-", "--timeout", "30s"], header("three"));
    expect(unrelated.code, unrelated.stderr).toBe(0);
    expect(unrelated.stderr).toMatch(/^3 of 3 proxies acknowledged in /m);
    expect((await mesh.http("client", "http://server/")).headers["x-round"]).toBe("three");
    for (const { waiting } of (await mesh.client.proxies()).proxies) expect(waiting).toEqual([]);
    await mesh.apply(subset(64));
    expect((await mesh.http("client", "http://fresh/")).status).toBe(200);
    await allSynced(mesh);
  });
});
