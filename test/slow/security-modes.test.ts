// Modes of mutual TLS change under load while everything else happens too: the control plane is killed in the middle, wishes change faster than
// proxies acknowledge, pods are replaced, policies come and go. No request is lost.

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { eventually } from "../harness/eventually.ts";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { controlPlaneOutage } from "../harness/outage.ts";
import { acceptsYaml, policyYaml, securityYaml } from "../harness/security-yaml.ts";
import { istioYaml, yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const load = { from: "client", url: "http://server/" };
const server = { kind: "Deployment", name: "server-v1" } as const;
let mesh: TestMesh;

beforeAll(async () => {
  const port = { number: 80, name: "http", protocol: "HTTP" };
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1"]),
    istioYaml("Gateway", "edge", { selector: { istio: "ingressgateway" }, servers: [{ port, hosts: ["*"] }] }),
    istioYaml("VirtualService", "edge", {
      hosts: ["*"],
      gateways: ["edge"],
      http: [{ route: [{ destination: { host: "server", port: { number: 80 } } }] }],
    }),
  );
  mesh = await TestMesh.start({ manifests: withoutRetries + manifests });
});
afterAll(() => mesh?.close());

/** Stores an object without waiting for any proxy. */
async function store(yaml: string): Promise<void> {
  await mesh.client.apply(parse(yaml));
}

async function settled(mode: string): Promise<void> {
  const has = async () => {
    const { proxies } = await mesh.client.proxies();
    return proxies.every(({ synced, pod, mtls }) => synced && (!pod.startsWith("server") || mtls === mode));
  };
  await eventually(has, 60_000, `server accepts ${mode}`);
}

it("the control plane is killed in the middle of changes", async () => {
  for (const [index, mode] of (["STRICT", "PERMISSIVE", "STRICT", "DISABLE", "PERMISSIVE", "DISABLE", "PERMISSIVE"] as const).entries()) {
    const report = await underLoad(mesh, load, async () => {
      await store(acceptsYaml("server", mode));
      await pause(index * 12);
      await controlPlaneOutage(mesh, 200);
      await settled(mode);
    });
    expect(lossesOf(report)).toEqual(nothing);
  }
});

it("wishes change faster than proxies acknowledge, for the whole mesh and for the namespace", async () => {
  await mesh.remove(acceptsYaml("server", "PERMISSIVE"));
  const report = await underLoad(mesh, load, async () => {
    for (let turn = 0; turn < 60; turn++) {
      const mode = (["STRICT", "PERMISSIVE", "UNSET"] as const)[turn % 3];
      const name = turn % 4 === 0 ? "default/default" : "istio-system/default";
      await store(securityYaml("PeerAuthentication", name, { mtls: { mode } }));
      await pause((turn * 37) % 90);
    }
    await store(securityYaml("PeerAuthentication", "default/default", { mtls: { mode: "STRICT" } }));
    await settled("STRICT");
  });
  expect(lossesOf(report)).toEqual(nothing);
});

it("pods are replaced meanwhile, and requests come through the gateway too", async () => {
  const policy = policyYaml("own", "server", { rules: [{ from: [{ source: { namespaces: ["default", "istio-system"] } }] }] });
  const outside = mesh.gatewayLoad("/", { ratePerSecond: 100, durationMs: 10_000, mixPost: true, freshShare: 0.2 });
  const report = await underLoad(mesh, load, async () => {
    for (let round = 0; round < 4; round++) {
      await mesh.client.patch(server, { spec: { template: { metadata: { annotations: { round: String(round) } } } } });
      for (const mode of ["STRICT", "PERMISSIVE", "STRICT"] as const) {
        await mesh.apply(acceptsYaml("server", mode));
        await pause(150);
      }
      await mesh.apply(policy);
      await mesh.remove(policy);
    }
    await outside;
  });
  expect(lossesOf(report)).toEqual(nothing);
  const { total, byStatus } = await outside;
  expect(byStatus).toEqual({ 200: total });
});
