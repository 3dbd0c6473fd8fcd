// Tokens between two sidecars of a real mesh: who gets in, what is logged, and that rules, keys and policies come and go under load without a
// lost request and without a touch of a listener.

import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { hmacToken, keySetOf, secondsFromNow, tokenSigner, unsigned } from "../harness/tokens.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const waitMs = 60_000;
const [signer, next] = [tokenSigner("ES256", "a"), tokenSigner("RS256", "b")];
const url = "http://server/";
const claims = { iss: "issuer", sub: "alice", aud: "server" };
let mesh: TestMesh;

const authentication = (keys: string): string => `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: default}
spec: {selector: {matchLabels: {app: server}}, jwtRules: [{issuer: issuer, audiences: [server], jwks: '${keys}'}]}
`;
const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: token-required, namespace: default}
spec: {selector: {matchLabels: {app: server}}, rules: [{from: [{source: {requestPrincipals: ["issuer/alice"]}}]}]}
`;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: `${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1"])}` });
}, waitMs);
afterAll(() => mesh?.close());

async function status(token?: string): Promise<number> {
  return (await mesh.http("client", url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })).status;
}

/** What happened to the server's listeners since its Envoy started. */
async function listenerCounts(): Promise<Readonly<Record<string, string>>> {
  const { items } = await mesh.client.list("Pod", { namespace: "default", labelSelector: "app=server" });
  const socketPath = join(mesh.runDir, "pods", items[0]?.metadata.uid ?? "", "admin.sock");
  const text = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath, path: "/stats?filter=^listener_manager\\.(listener_|total_filter_chains_draining)" }, (response) => {
      let body = "";
      response.on("data", (part: Buffer) => {
        body += part.toString();
      });
      response.on("end", () => resolve(body));
    });
    call.on("error", reject);
    call.end();
  });
  return Object.fromEntries([...text.matchAll(/^(\S+): (\d+)$/gm)].map(([, name = "", value = ""]) => [name, value]));
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
