// Tokens between two sidecars of a real mesh: who gets in, what is logged, and that rules, keys and policies come and go under load without a
// lost request and without a touch of a listener.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { allSynced, controlPlanePid, envoyStats } from "../harness/outage.ts";
import { testAuthority } from "../harness/test-identities.ts";
import { hmacToken, keySetOf, secondsFromNow, tokenSigner, unsigned } from "../harness/tokens.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const waitMs = 180_000;
const [signer, next] = [tokenSigner("ES256", "a"), tokenSigner("RS256", "b")];
const url = "http://server/";
const claims = { iss: "issuer", sub: "alice", aud: "server" };
let mesh: TestMesh;

const authentication = (keys: string): string => tokens(`jwks: '${keys}'`);
const tokens = (keys: string): string => `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: default}
spec: {selector: {matchLabels: {app: server}}, jwtRules: [{issuer: issuer, audiences: [server], ${keys}}]}
`;
const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: token-required, namespace: default}
spec: {selector: {matchLabels: {app: server}}, rules: [{from: [{source: {requestPrincipals: ["issuer/alice"]}}]}]}
`;

const issuer = testAuthority();
const identity = issuer.issue({ uri: "spiffe://issuer/ns/a/sa/b", dnsNames: ["localhost"] });
let published = keySetOf(signer);
const keyServer = createServer({ cert: identity.certificatePem, key: identity.keyPem }, (_, response) => void response.end(published));
const folder = mkdtempSync(join(tmpdir(), "lateen-tokens-"));

beforeAll(async () => {
  await new Promise<void>((resolve) => keyServer.listen(0, "127.0.0.1", resolve));
  // Node's own way to trust one more root; the control plane has none of its own.
  process.env["NODE_EXTRA_CA_CERTS"] = join(folder, "issuer.pem");
  writeFileSync(join(folder, "issuer.pem"), issuer.certificatePem);
  mesh = await TestMesh.start({ manifests: `${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1"])}` });
}, waitMs);
afterAll(async () => {
  delete process.env["NODE_EXTRA_CA_CERTS"];
  await mesh?.close();
  keyServer.closeAllConnections();
  keyServer.close();
  rmSync(folder, { recursive: true, force: true });
});

async function status(token?: string): Promise<number> {
  return (await mesh.http("client", url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })).status;
}

/** What happened to the server's listeners since its Envoy started. */
async function listenerCounts(): Promise<Readonly<Record<string, number>>> {
  const [pod = ""] = await mesh.pods("server");
  return envoyStats(mesh, pod, /^listener_manager\.(?:listener_|total_filter_chains_draining)/);
}

it("good tokens get in, others don't, and the log says why", { timeout: waitMs }, async () => {
  const before = await listenerCounts();
  expect(Object.keys(before)).toContain("listener_manager.listener_modified");
  expect([await status(), await status("bad")]).toEqual([200, 200]);
  await mesh.apply(authentication(keySetOf(signer)));
  expect([await status(), await status("bad"), await status(signer.token(claims))]).toEqual([200, 401, 200]);
  await mesh.apply(policy);
  expect([await status(), await status("bad"), await status(signer.token(claims))]).toEqual([403, 401, 200]);
  expect(await status(signer.token({ ...claims, sub: "mallory" }))).toBe(403);
  const soon = { ...claims, exp: secondsFromNow(3600) };
  const bad = [
    `${unsigned({ alg: "none" }, soon)}.`,
    hmacToken(next.publicKey.export({ format: "pem", type: "spki" }).toString(), { kid: "b" }, soon),
    signer.token({ ...claims, exp: 1 }),
    signer.token({ ...claims, aud: "other" }),
    next.token(claims),
  ];
  for (const token of bad) expect({ token, status: await status(token) }).toEqual({ token, status: 401 });
  await mesh.logged((line) => line.includes(" 401 ") && line.includes("jwt_authn_access_denied{Jwt_is_expired}"));
  await mesh.logged((line) => line.includes(" 403 ") && line.includes("ns[default]-policy[token-required]"));
  expect(await listenerCounts()).toEqual(before);
});

it("keys, rules and policies change under load without a lost request", { timeout: waitMs }, async () => {
  await mesh.remove(policy);
  await mesh.remove(authentication(keySetOf(signer)));
  const before = await listenerCounts();
  const headers = { authorization: `Bearer ${signer.token(claims)}` };
  const report = await underLoad(mesh, { from: "client", url, headers }, async () => {
    for (const keys of [keySetOf(signer), keySetOf(signer, next), keySetOf(next, signer), keySetOf(signer)]) {
      await mesh.apply(authentication(keys));
      await mesh.apply(policy);
      await mesh.remove(policy);
    }
    await mesh.remove(authentication(keySetOf(signer)));
  });
  expect(lossesOf(report)).toEqual(nothing);
  expect(report.total).toBeGreaterThan(100);
  expect(await listenerCounts()).toEqual(before);
});

it("keys are fetched where the mesh's owner allows it, and stay over the server's and the control plane's end", {
  timeout: waitMs,
}, async () => {
  const address = keyServer.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const fetched = tokens(`jwksUri: "https://localhost:${port}/keys"`);
  await mesh.apply(fetched);
  const finding = async (): Promise<string> =>
    (await mesh.client.diagnostics()).diagnostics.find(({ code }) => code === "LTN0823")?.message ?? "";
  await eventually(async () => (await finding()).includes("localhost is at a loopback address; every token of issuer gets 401"));
  expect([await status(), await status(signer.token(claims)), await status("bad")]).toEqual([200, 401, 401]);
  await mesh.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system, annotations: {lateen.dev/fetch-keys-from: localhost}}
data: {mesh: ""}
`);
  await eventually(async () => (await status(signer.token(claims))) === 200);
  expect([await finding(), await status("bad"), await status(next.token(claims))]).toEqual(["", 401, 401]);
  published = "gone";
  keyServer.closeAllConnections();
  const pid = controlPlanePid(mesh);
  process.kill(pid, "SIGKILL");
  await eventually(() => ![0, pid].includes(controlPlanePid(mesh)), 60_000, "another control plane");
  await allSynced(mesh);
  expect([await status(signer.token(claims)), await status("bad")]).toEqual([200, 401]);
  await eventually(async () => (await finding()).includes("those fetched before are still used"), 60_000);
  expect([await status(signer.token(claims)), await status("bad")]).toEqual([200, 401]);
});
