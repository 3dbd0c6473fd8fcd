// Certificates and the root are replaced under load: no request is lost, servers show the new ones, and in the end the old root is worth nothing.

import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openAuthority } from "../../src/ca/authority.ts";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { renewAll, rotateRoot, shownBy } from "../harness/rotation.ts";
import { acceptsYaml } from "../harness/security-yaml.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const load = { from: "client", url: "http://server/" };
let mesh: TestMesh;
let serverIp = "";

beforeAll(async () => {
  const apps = [appYaml("client", ["v1"]), appYaml("server", ["v1"]), appYaml("plain", ["v1"], { sidecar: false })];
  mesh = await TestMesh.start({ manifests: withoutRetries + yamlOf(...apps, acceptsYaml("server", "STRICT")) });
  const { pods } = await mesh.client.status();
  serverIp = pods.find(({ name }) => name.startsWith("server-"))?.ip ?? "";
});
afterAll(() => mesh?.close());

/** The mesh's own authority, opened as the control plane does. */
function meshAuthority() {
  return openAuthority({ directory: join(mesh.runDir, "ca"), trustDomain: "cluster.local" });
}

/** First line of the server's answer to a client with this certificate, "" when it is cut off. */
async function ask({ chainPem, keyPem }: { readonly chainPem: string; readonly keyPem: string }): Promise<string> {
  const text = "GET / HTTP/1.1\r\nhost: server\r\nconnection: close\r\n\r\n";
  const command = { kind: "tls-say", host: serverIp, port: 8080, cert: chainPem, key: keyPem, alpn: ["istio"], text };
  const said = (await mesh.run("plain", command)) as { readonly text: string };
  return said.text.split("\r\n")[0] ?? "";
}

it("all certificates are renewed ten times without a lost request, and servers show each new one", async () => {
  const shown = new Set([await shownBy(mesh, "plain", serverIp)]);
  const report = await underLoad(mesh, load, async () => {
    for (let round = 0; round < 10; round++) {
      await renewAll(mesh);
      shown.add(await shownBy(mesh, "plain", serverIp));
    }
  });
  expect(lossesOf(report)).toEqual(nothing);
  expect(shown.size).toBe(11);
});

it("the root is replaced without a lost request, and nothing under the old one is accepted after", async () => {
  const identity = { namespace: "default", serviceAccount: "default" };
  const old = meshAuthority().issue(identity);
  expect(await ask(old)).toBe("HTTP/1.1 200 OK");
  const report = await underLoad(mesh, load, () => rotateRoot(mesh));
  expect(lossesOf(report)).toEqual(nothing);
  expect(await ask(old)).toBe("");
  await mesh.logged((line) => line.includes("CERTIFICATE_VERIFY_FAILED") && line.includes(`${serverIp}:8080`));
  expect(await ask(meshAuthority().issue(identity))).toBe("HTTP/1.1 200 OK");
  expect((await mesh.load("client", load.url, { count: 50, freshShare: 1 })).byStatus).toEqual({ 200: 50 });
});
