// HTTPS and tokens at the ingress gateway of a whole mesh: certificates from Secrets, replaced under load; who gets in with which certificate or
// token, and where a token's claims lead.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { eventually } from "../harness/eventually.ts";
import { underHttpsLoad } from "../harness/https-load.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { envoyStats } from "../harness/outage.ts";
import { securityYaml } from "../harness/security-yaml.ts";
import { type TestCertificate, testAuthority } from "../harness/test-identities.ts";
import { as, Connection, fingerprint, get } from "../harness/tls-client.ts";
import { keySetOf, tokenSigner } from "../harness/tokens.ts";
import { istioYaml, subsetsYaml, yamlOf } from "../harness/traffic-yaml.ts";

const servers = testAuthority();
const clients = testAuthority();
const uri = "spiffe://test/server";
const [first, second, third] = ["shop.test", "shop.test", "shop.test"].map((name) => servers.issue({ uri, dnsNames: [name] })) as [
  TestCertificate,
  TestCertificate,
  TestCertificate,
];
const mutual = servers.issue({ uri, dnsNames: ["mutual.test"] });
const client = clients.issue({ uri: "spiffe://test/client" });
const signer = tokenSigner("ES256", "a");

let mesh: TestMesh;
let port = 0;

const secret = (name: string, data: Readonly<Record<string, string>>): string =>
  stringify({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "istio-system" }, stringData: data });
const pair = ({ certificatePem, keyPem }: TestCertificate) => ({ "tls.crt": certificatePem, "tls.key": keyPem });
const http = { number: 80, name: "http", protocol: "HTTP" };
const https = (name: string) => ({ number: 443, name, protocol: "HTTPS" });
const gateways = ["edge"];
const to = (subset: string) => ({ route: [{ destination: { host: "server", subset, port: { number: 80 } } }] });
const selector = { istio: "ingressgateway" };

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("server", ["v1", "v2"]),
    subsetsYaml("server"),
    secret("shop", pair(first)),
    secret("mutual", { ...pair(mutual), "ca.crt": clients.certificatePem }),
    istioYaml("Gateway", "edge", {
      selector,
      servers: [
        { port: http, hosts: ["token.test"] },
        { port: { ...http, name: "http-redirect" }, hosts: ["shop.test"], tls: { httpsRedirect: true } },
        { port: https("https-shop"), hosts: ["shop.test"], tls: { mode: "SIMPLE", credentialName: "shop" } },
        { port: https("https-mutual"), hosts: ["mutual.test"], tls: { mode: "MUTUAL", credentialName: "mutual" } },
      ],
    }),
    istioYaml("VirtualService", "shop", { hosts: ["shop.test"], gateways, http: [to("v1")] }),
    istioYaml("VirtualService", "mutual", { hosts: ["mutual.test"], gateways, http: [to("v2")] }),
    istioYaml("VirtualService", "token", {
      hosts: ["token.test"],
      gateways,
      http: [{ match: [{ headers: { "@request.auth.claims.group": { exact: "beta" } } }], ...to("v2") }, to("v1")],
    }),
  );
  mesh = await TestMesh.start({ manifests, lateenYaml: { gateway: { ports: { 80: 0, 443: 0 } } } });
  port = mesh.gatewayPorts.get(443) ?? 0;
});
afterAll(() => mesh?.close());

/** Waits until new connections are shown this certificate. */
async function serves(certificate: TestCertificate): Promise<void> {
  const isShown = async () => (await get(port, "shop.test")).fingerprint === fingerprint(certificate);
  await eventually(isShown, 60_000, "the certificate");
}

/** What happened to the gateway's listeners since its Envoy started. */
async function listeners(): Promise<Readonly<Record<string, number>>> {
  const [pod = ""] = await mesh.pods("istio-ingressgateway", "istio-system");
  const counts = await envoyStats(mesh, `istio-system/${pod}`, /^listener_manager\.(listener_|total_filter_chains_draining)/);
  expect(counts["listener_manager.listener_added"]).toBeGreaterThan(0);
  return counts;
}

describe("HTTPS", () => {
  it("SIMPLE shows the Secret's certificate, plaintext is sent there", async () => {
    expect(await get(port, "shop.test")).toMatchObject({ status: 200, fingerprint: fingerprint(first) });
    expect((await get(port, "other.test")).status).toBe(0);
    const { status, headers } = await mesh.gateway("/cart?id=1", { headers: { host: "shop.test" } });
    expect([status, headers["location"]]).toEqual([301, "https://shop.test/cart?id=1"]);
  });

  it("MUTUAL asks for a certificate of the Secret's authority; the application is told of the gateway", async () => {
    const answer = await get(port, "mutual.test", as(client));
    expect([answer.status, answer.fingerprint]).toEqual([200, fingerprint(mutual)]);
    expect(answer.body).toContain("URI=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway");
    for (const other of [{}, as(servers.issue({ uri: "spiffe://test/client" })), as(clients.selfSigned({ uri: "spiffe://test/client" }))]) {
      expect((await get(port, "mutual.test", other)).status).toBe(0);
    }
    // The hosts of one server aren't to be had over another one's connection.
    expect((await get(port, "mutual.test", { ...as(client), servername: "shop.test" })).status).not.toBe(200);
  });

  it("a Secret is replaced under load without a lost request or connection", async () => {
    const before = await listeners();
    const open = await Connection.open(port, { servername: "shop.test" });
    const { total, failures } = await underHttpsLoad({ port, host: "shop.test" }, async () => {
      for (const next of [second, third, first, second]) {
        await mesh.apply(secret("shop", pair(next)));
        await serves(next);
      }
    });
    expect(failures).toEqual([]);
    expect(total).toBeGreaterThan(80);
    expect(await open.get("shop.test")).toMatchObject({ status: 200, fingerprint: fingerprint(first) });
    open.close();
    expect(await listeners()).toEqual(before);
  });
});

describe("tokens at the gateway", () => {
  const rules = [{ issuer: "issuer", audiences: ["shop"], jwks: keySetOf(signer) }];
  const authentication = securityYaml("RequestAuthentication", "istio-system/edge", {
    selector: { matchLabels: selector },
    jwtRules: rules,
  });
  const required = securityYaml("AuthorizationPolicy", "istio-system/token-required", {
    selector: { matchLabels: selector },
    action: "DENY",
    rules: [{ from: [{ source: { notRequestPrincipals: ["*"] } }], to: [{ operation: { hosts: ["token.test", "token.test:*"] } }] }],
  });
  const claims = { iss: "issuer", sub: "alice", aud: "shop" };

  /** The version that answers, or the status. */
  async function answer(token?: string): Promise<string> {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { status, headers } = await mesh.gateway("/", { headers: { host: "token.test", ...authorization } });
    return status === 200 ? (headers["x-served-by"] ?? "") : String(status);
  }

  it("who has none, a bad one, or a good one; where claims lead; and no listener changes", async () => {
    const before = await listeners();
    expect([await answer(), await answer("bad")]).toEqual(["v1", "v1"]);
    await mesh.apply(yamlOf(authentication, required));
    expect(await answer()).toBe("403");
    const bad = [
      signer.token({ ...claims, exp: 1 }),
      signer.token({ ...claims, aud: "other" }),
      tokenSigner("ES256", "a").token(claims),
      "bad",
    ];
    for (const token of bad) expect({ token, answer: await answer(token) }).toEqual({ token, answer: "401" });
    const good = [signer.token(claims), signer.token({ ...claims, group: "beta" }), signer.token({ ...claims, group: "alpha" })];
    expect(await Promise.all(good.map(answer))).toEqual(["v1", "v2", "v1"]);
    // Other hosts need no token, but a bad one is refused everywhere.
    expect((await get(port, "shop.test")).status).toBe(200);
    expect(await listeners()).toEqual(before);
    await mesh.logged((line) => line.includes("ns[istio-system]-policy[token-required]-rule[0]"));
    await mesh.logged((line) => line.includes(" 401 ") && line.includes("Jwt_is_expired"));
  });
});
