// HTTPS from the host's loopback to the ingress gateway of a whole mesh: the Secret changes under load, breaks, and outlives the control plane.

import { afterAll, beforeAll, expect, it } from "vitest";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { controlPlaneOutage, envoyStats } from "../harness/outage.ts";
import type { TestCertificate } from "../harness/test-identities.ts";
import { testAuthority } from "../harness/test-identities.ts";
import { Connection, fingerprint, get } from "../harness/tls-client.ts";
import { istioYaml, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const authority = testAuthority();
const dayMs = 86_400_000;
const issue = (to = Date.now() + 30 * dayMs): TestCertificate =>
  authority.issue({ uri: "spiffe://test/shop", dnsNames: ["shop.test"], validMs: { from: Date.now() - 2 * dayMs, to } });
const first = issue();
const second = issue();

const secret = ({ certificatePem, keyPem }: TestCertificate): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "shop", namespace: "istio-system" },
    type: "kubernetes.io/tls",
    stringData: { "tls.crt": certificatePem, "tls.key": keyPem },
  });

beforeAll(async () => {
  const port = { number: 443, name: "https", protocol: "HTTPS" };
  const tls = { mode: "SIMPLE", credentialName: "shop" };
  const manifests = yamlOf(
    appYaml("server", ["v1"]),
    istioYaml("Gateway", "edge", { selector: { istio: "ingressgateway" }, servers: [{ port, hosts: ["shop.test"], tls }] }),
    istioYaml("VirtualService", "shop", {
      hosts: ["shop.test"],
      gateways: ["edge"],
      http: [{ route: [{ destination: { host: "server", port: { number: 80 } } }] }],
    }),
    secret(first),
  );
  mesh = await TestMesh.start({ manifests, lateenYaml: { gateway: { ports: { 443: 0 } } } });
});
afterAll(async () => {
  await mesh?.close();
});

const port = () => mesh.gatewayPorts.get(443) ?? 0;
const shown = async () => (await get(port(), "shop.test")).fingerprint;
const codes = async () => (await mesh.client.diagnostics()).diagnostics.map(({ code, resource }) => `${code} ${resource}`);

it("a new Secret is shown to new connections, open ones stay, and no listener is touched", async () => {
  expect(await get(port(), "shop.test")).toMatchObject({ status: 200, fingerprint: fingerprint(first) });
  const open = await Connection.open(port(), { servername: "shop.test" });
  const [pod = ""] = (await mesh.client.list("Pod", { namespace: "istio-system" })).items.map(({ metadata }) => metadata.name ?? "");
  const listeners = () => envoyStats(mesh, `istio-system/${pod}`, /^listener_manager\.listener_(?:modified|in_place_updated)$/);
  const before = await listeners();
  for (let round = 0; round < 10; round += 1) {
    await mesh.apply(secret(round % 2 === 0 ? second : first));
    expect(await open.get("shop.test")).toMatchObject({ status: 200 });
    expect((await get(port(), "shop.test")).status).toBe(200);
  }
  await mesh.apply(secret(second));
  await eventually(async () => (await shown()) === fingerprint(second), 60_000, "the new certificate");
  expect(await open.get("shop.test")).toMatchObject({ status: 200, fingerprint: fingerprint(first) });
  open.close();
  expect(await listeners()).toEqual(before);
});

it("a broken Secret is reported on the Gateway, and the last good one outlives the control plane and the gateway's pod", async () => {
  await mesh.apply(secret({ ...issue(), keyPem: first.keyPem }));
  expect(await codes()).toEqual(["LTN1002 Gateway default/edge"]);
  expect((await lateenOn(mesh, ["status"])).stdout).toContain("the key in tls.key does not belong to the certificate in tls.crt");
  await controlPlaneOutage(mesh, 0);
  const { items } = await mesh.client.list("Pod", { namespace: "istio-system" });
  for (const { metadata } of items) await mesh.client.delete({ kind: "Pod", namespace: "istio-system", name: metadata.name ?? "" });
  const gone = new Set(items.map(({ metadata }) => metadata.uid));
  const isReplaced = async () => {
    const now = (await mesh.client.list("Pod", { namespace: "istio-system" })).items;
    return now.length > 0 && now.every(({ metadata }) => !gone.has(metadata.uid));
  };
  await eventually(isReplaced, 60_000, "another gateway");
  await eventually(async () => (await shown().catch(() => "")) === fingerprint(second), 60_000, "the last good certificate");
  expect(await codes()).toEqual(["LTN1002 Gateway default/edge"]);
  await mesh.apply(secret(first));
  await eventually(async () => (await shown()) === fingerprint(first), 60_000, "the corrected certificate");
  expect(await codes()).toEqual([]);
});
