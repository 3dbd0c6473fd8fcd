// TLS at gateways on a real Envoy: every mode, with the right client and with wrong ones, and Secrets that change while connections are open.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../harness/envoy.ts";
import { freePort, type GatewayEnvoy, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { rawConnection } from "../harness/raw-http.ts";
import type { TestCertificate } from "../harness/test-identities.ts";
import { testAuthority } from "../harness/test-identities.ts";
import { as, Connection, fingerprint, get, getHttp2 } from "../harness/tls-client.ts";

const servers = testAuthority();
const clients = testAuthority();
const strangers = testAuthority();
const uri = "spiffe://test/server";
const dayMs = 86_400_000;

const certificates = {
  a: servers.issue({ uri, dnsNames: ["a.example.com"] }),
  b: servers.issue({ uri, dnsNames: ["b.example.com"] }),
  wide: servers.issue({ uri, dnsNames: ["*.example.com"] }),
  rsa: servers.issue({ uri, dnsNames: ["a.example.com"], key: "rsa" }),
};
const client = clients.issue({ uri: "spiffe://test/client", dnsNames: ["client.example.com"] });
const stranger = strangers.issue({ uri: "spiffe://test/client" });

let backend: Server;
let backendPort = 0;
let tcpPort = 0;
const closers: (() => void)[] = [];

beforeAll(async () => {
  backend = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ xfcc: request.headers["x-forwarded-client-cert"] ?? null, proto: request.headers["x-forwarded-proto"] }));
  }).listen(0, "127.0.0.1");
  await once(backend, "listening");
  backendPort = portOf(backend.address());
  const tcp = createTcpServer((socket) => socket.on("error", () => {}).end("hello from tcp\n")).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  tcpPort = portOf(tcp.address());
  closers.push(
    () => backend.close(),
    () => tcp.close(),
    () => backend.closeAllConnections(),
  );
});

afterAll(() => {
  for (const close of closers) close();
});

function portOf(address: ReturnType<Server["address"]>): number {
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

interface ServerCase {
  readonly name: string;
  readonly port: number;
  readonly hosts: readonly string[];
  readonly tls?: string;
  readonly protocol?: string;
}

function gateway(cases: readonly ServerCase[], name = "gateway"): string {
  const lines = cases.map(
    ({ name: port, port: number, hosts, tls, protocol = "HTTPS" }) =>
      `  - {port: {number: ${number}, name: ${port}, protocol: ${protocol}}, bind: 127.0.0.1, hosts: ${JSON.stringify(hosts)}${tls === undefined ? "" : `, tls: ${tls}`}}`,
  );
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: test, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  selector: {istio: ingressgateway}
  servers:
${lines.join("\n")}
---
`;
}

function routes(hosts: readonly string[], gateways: readonly string[] = ["gateway"]): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app, namespace: test}
spec: {hosts: ${JSON.stringify(hosts)}, gateways: ${JSON.stringify(gateways)}, http: [{route: [{destination: {host: app, port: {number: 80}}}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: test}
spec: {selector: {app: app}, ports: [{name: http, port: 80, targetPort: ${backendPort}}, {name: tcp, port: 81, targetPort: ${tcpPort}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: app-1, namespace: test, labels: {app: app, sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: app, image: app}]}
status: {podIP: 127.0.0.1}
---
`;
}

function secret(
  name: string,
  certificate: TestCertificate | undefined,
  more: Readonly<Record<string, string>> = {},
  namespace = "test",
): string {
  const pair = certificate === undefined ? {} : { "tls.crt": certificate.certificatePem, "tls.key": certificate.keyPem };
  const document = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "Opaque", stringData: { ...pair, ...more } };
  return `${JSON.stringify(document)}\n---\n`;
}

describe("one gateway with a server of every mode", () => {
  let running: GatewayEnvoy;
  const ports = { simple: 0, mutual: 0, optional: 0, http: 0, tls: 0, tcp: 0, mesh: 0 };

  beforeAll(async () => {
    for (const name of Object.keys(ports)) Object.assign(ports, { [name]: await freePort() });
    running = await startGatewayEnvoy(
      [
        gateway([
          { name: "a", port: ports.simple, hosts: ["a.example.com"], tls: "{mode: SIMPLE, credentialNames: [a, a-rsa]}" },
          { name: "b", port: ports.simple, hosts: ["test/b.example.com"], tls: "{mode: SIMPLE, credentialName: b}" },
          { name: "wide", port: ports.simple, hosts: ["*.example.com"], tls: "{mode: SIMPLE, credentialName: wide}" },
          { name: "gone", port: ports.simple, hosts: ["gone.example.com"], tls: "{mode: SIMPLE, credentialName: gone}" },
          { name: "foreign", port: ports.simple, hosts: ["foreign.example.com"], tls: "{mode: SIMPLE, credentialName: foreign}" },
          { name: "mutual", port: ports.mutual, hosts: ["a.example.com"], tls: "{mode: MUTUAL, credentialName: a}" },
          {
            name: "named",
            port: ports.mutual,
            hosts: ["b.example.com"],
            tls: "{mode: MUTUAL, credentialName: b, caCertCredentialName: a, subjectAltNames: [spiffe://test/another]}",
          },
          {
            name: "unchecked",
            port: ports.mutual,
            hosts: ["c.example.com"],
            tls: "{mode: MUTUAL, credentialName: wide, insecureSkipVerify: true}",
          },
          { name: "optional", port: ports.optional, hosts: ["*"], tls: "{mode: OPTIONAL_MUTUAL, credentialName: a}" },
          { name: "http", port: ports.http, hosts: ["a.example.com"], tls: "{httpsRedirect: true}", protocol: "HTTP" },
          { name: "tls", port: ports.tls, hosts: ["a.example.com"], tls: "{mode: SIMPLE, credentialName: a}", protocol: "TLS" },
          {
            name: "old",
            port: ports.tcp,
            hosts: ["*"],
            tls: "{mode: SIMPLE, credentialName: a, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]}",
          },
          { name: "mesh", port: ports.mesh, hosts: ["*"], tls: "{mode: ISTIO_MUTUAL}" },
        ]),
        routes(["*.example.com", "a.example.com", "b.example.com", "gone.example.com", "foreign.example.com"]),
        `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: stream, namespace: test}
spec: {hosts: [a.example.com], gateways: [gateway], tcp: [{match: [{port: ${ports.tls}}], route: [{destination: {host: app, port: {number: 81}}}]}]}
---
`,
        secret("a", certificates.a),
        secret("a-cacert", undefined, { "ca.crt": clients.certificatePem }),
        secret("a-rsa", certificates.rsa),
        secret("b", certificates.b),
        secret("wide", certificates.wide),
        secret("foreign", certificates.wide, {}, "other"),
      ].join(""),
    );
  });
  afterAll(() => running[Symbol.asyncDispose]());

  test("the certificate is chosen by server name, unknown names and none are refused where no server takes them", async () => {
    expect(await get(ports.simple, "a.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });
    expect(await get(ports.simple, "b.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.b) });
    expect(await get(ports.simple, "c.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.wide) });
    expect(await get(ports.simple, "example.org")).toMatchObject({ status: 0 });
    expect(await get(ports.simple, "a.example.com", { servername: "" })).toMatchObject({ status: 0 });
    expect(await get(ports.optional, "a.example.com", { servername: "" })).toMatchObject({ status: 200 });
  });

  test("clients that know only RSA get the RSA certificate", async () => {
    const options = { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" } as const;
    expect(await get(ports.simple, "a.example.com", options)).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.rsa) });
  });

  test("a server whose Secret is missing, or another namespace's, holds back no other, and is reported", async () => {
    // The wildcard server answers for the connection, and knows these hosts by its wildcard.
    expect(await get(ports.simple, "gone.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.wide) });
    const said = running.findings().filter(({ code }) => code === "LTN1001");
    expect(said.map(({ resource, path }) => `${resource} ${path}`)).toEqual([
      "Gateway test/gateway spec.servers[3].tls.credentialName",
      "Gateway test/gateway spec.servers[4].tls.credentialName",
    ]);
  });

  test("TLS 1.1 is refused, versions and ciphers are as the server says", async () => {
    const legacy = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    expect(await get(ports.simple, "a.example.com", legacy)).toMatchObject({ status: 0 });
    const old = await Connection.open(ports.tcp, { servername: "a.example.com" });
    expect(old.protocol).toBe("TLSv1.2");
    old.close();
    expect(await get(ports.tcp, "a.example.com", { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256", maxVersion: "TLSv1.2" })).toMatchObject({
      status: 0,
    });
  });

  test("MUTUAL admits only clients of its CA and with the right name, and tells the application who it is", async () => {
    const admitted = await get(ports.mutual, "a.example.com", as(client));
    expect(admitted.status).toBe(200);
    expect(admitted.body).toContain("URI=spiffe://test/client;DNS=client.example.com");
    expect(await get(ports.mutual, "a.example.com")).toMatchObject({ status: 0 });
    expect(await get(ports.mutual, "a.example.com", as(stranger))).toMatchObject({ status: 0 });
    expect(await get(ports.mutual, "b.example.com", as(client))).toMatchObject({ status: 0 });
    const another = clients.issue({ uri: "spiffe://test/another" });
    expect(await get(ports.mutual, "b.example.com", as(another))).toMatchObject({ status: 200 });
    expect(await get(ports.mutual, "c.example.com", as(stranger))).toMatchObject({ status: 200 });
    expect(await get(ports.mutual, "c.example.com")).toMatchObject({ status: 200 });
    // The name as a DNS SAN's text is not the name.
    const forged = clients.issue({ uri: "spiffe://test/x", dnsNames: ["spiffe://test/another"] });
    expect(await get(ports.mutual, "b.example.com", as(forged))).toMatchObject({ status: 0 });
  });

  test("OPTIONAL_MUTUAL takes clients without certificate, and none with a wrong one", async () => {
    expect(await get(ports.optional, "a.example.com")).toMatchObject({ status: 200 });
    expect((await get(ports.optional, "a.example.com", as(client))).body).toContain("URI=spiffe://test/client");
    expect(await get(ports.optional, "a.example.com", as(stranger))).toMatchObject({ status: 0 });
  });

  test("ISTIO_MUTUAL admits the mesh's workloads only", async () => {
    const admitted = await get(ports.mesh, "a.example.com", as(running.meshCertificate()));
    expect(admitted.status).toBe(200);
    expect(admitted.body).toContain("URI=spiffe://cluster.local/ns/test/sa/default");
    expect(await get(ports.mesh, "a.example.com")).toMatchObject({ status: 0 });
    expect(await get(ports.mesh, "a.example.com", as(client))).toMatchObject({ status: 0 });
  });

  test("plaintext is redirected, HTTP/2 is spoken, and a TLS server hands on the bytes inside", async () => {
    using plain = rawConnection({ port: ports.http });
    expect(await plain.send({ path: "/x", host: "a.example.com" })).toMatchObject({
      status: 301,
      headers: { location: "https://a.example.com/x" },
    });
    const session = connectHttp2(`https://127.0.0.1:${ports.simple}`, { servername: "a.example.com", rejectUnauthorized: false });
    expect(await getHttp2(session, "a.example.com")).toBe(200);
    session.close();
    const stream = await Connection.open(ports.tls, { servername: "a.example.com" });
    expect(await stream.rest()).toBe("hello from tcp\n");
  });
});

describe("servers of one port", () => {
  test("a connection that a browser uses for another server's host gets 421, and a new one the answer", async () => {
    const port = await freePort();
    const both = ["first", "second"];
    const tls = "{mode: SIMPLE, credentialName: wide}";
    await using running = await startGatewayEnvoy(
      [
        gateway([{ name: "https", port, hosts: ["a.example.com"], tls }], "first"),
        gateway([{ name: "https", port, hosts: ["b.example.com"], tls }], "second"),
        routes(["a.example.com", "b.example.com"], both),
        secret("wide", certificates.wide),
      ].join(""),
    );
    expect(running.findings()).toEqual([]);
    const session = connectHttp2(`https://127.0.0.1:${port}`, { servername: "a.example.com", rejectUnauthorized: false });
    expect(await getHttp2(session, "a.example.com")).toBe(200);
    expect(await getHttp2(session, "b.example.com")).toBe(421);
    expect(await getHttp2(session, "c.example.com")).toBe(404);
    session.close();
    expect(await get(port, "b.example.com")).toMatchObject({ status: 200 });
  });

  test("no server answers for a host of one that asks for client certificates, also while that one lacks its Secret", async () => {
    const port = await freePort();
    const world = (roots: string) =>
      [
        gateway([
          { name: "any", port, hosts: ["*"], tls: "{mode: SIMPLE, credentialName: wide}" },
          { name: "inner", port, hosts: ["b.example.com"], tls: "{mode: MUTUAL, credentialName: b}" },
        ]),
        routes(["a.example.com", "b.example.com"]),
        secret("wide", certificates.wide),
        secret("b", certificates.b),
        roots,
      ].join("");
    await using running = await startGatewayEnvoy(world(""));
    expect(await get(port, "a.example.com")).toMatchObject({ status: 200 });
    expect(await get(port, "b.example.com")).toMatchObject({ status: 421 });
    expect(await get(port, "b.example.com", { servername: "a.example.com" })).toMatchObject({ status: 421 });
    // The new server is a chain of its own: who is connected to another one doesn't notice.
    const open = await Connection.open(port, { servername: "a.example.com" });
    await running.apply(world(secret("b-cacert", undefined, { cacert: clients.certificatePem })));
    await expect
      .poll(() => get(port, "b.example.com", as(client)))
      .toMatchObject({ status: 200, fingerprint: fingerprint(certificates.b) });
    expect(await open.get("a.example.com")).toMatchObject({ status: 200 });
    open.close();
    expect(await running.stat("listener_manager.listener_in_place_updated")).toBe(1);
    expect(await get(port, "b.example.com")).toMatchObject({ status: 0 });
    expect(await get(port, "b.example.com", { servername: "a.example.com" })).toMatchObject({ status: 421 });
    // Server and Secret go together.
    const any = { name: "any", port, hosts: ["*"], tls: "{mode: SIMPLE, credentialName: wide}" };
    await running.apply([gateway([any]), routes(["b.example.com"]), secret("wide", certificates.wide)].join(""));
    await expect.poll(() => get(port, "b.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.wide) });
  });
});

test("Secrets change under open connections; bad, expired and deleted ones change nothing and are reported", async () => {
  const port = await freePort();
  let now = Date.now();
  const world = (...secrets: readonly string[]) =>
    [
      gateway([{ name: "https", port, hosts: ["a.example.com"], tls: "{mode: MUTUAL, credentialName: a}" }]),
      routes(["a.example.com"]),
      ...secrets,
    ].join("");
  const cas = { "ca.crt": clients.certificatePem };
  await using running = await startGatewayEnvoy(world(secret("a", certificates.a, cas)), {}, { now: () => now });
  const codes = () => running.findings().map(({ code }) => code);
  const shown = async () => (await get(port, "a.example.com", as(client))).fingerprint;
  const open = await Connection.open(port, { servername: "a.example.com", ...as(client) });
  const modified = () => running.stat("listener_manager.listener_modified");
  const updated = () => running.stat("listener_manager.listener_in_place_updated");

  const next = servers.issue({ uri, dnsNames: ["a.example.com"] });
  await running.apply(world(secret("a", next, cas)));
  await expect.poll(shown).toBe(fingerprint(next));
  expect(await open.get("a.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });

  const expired = servers.issue({ uri, dnsNames: ["a.example.com"], validMs: { from: now - 2 * dayMs, to: now - dayMs } });
  const bad = [
    secret("a", expired, cas),
    secret("a", { certificatePem: next.certificatePem, keyPem: certificates.b.keyPem }, cas),
    secret("a", { certificatePem: "nonsense", keyPem: "nonsense" }, { "ca.crt": "nonsense" }),
    secret("a", servers.issue({ uri, dnsNames: ["a.example.com"], key: "weak-rsa" }), cas),
  ];
  for (const content of bad) {
    await running.apply(world(content));
    expect(codes()).toContain("LTN1002");
    expect(await shown()).toBe(fingerprint(next));
  }
  await running.apply(world());
  expect(codes()).toEqual(["LTN1002"]);
  expect(await shown()).toBe(fingerprint(next));

  // New CAs admit new clients at once, and no longer the old ones.
  await running.apply(world(secret("a", next, { "ca.crt": strangers.certificatePem })));
  await expect.poll(async () => (await get(port, "a.example.com", as(stranger))).status).toBe(200);
  expect(await get(port, "a.example.com", as(client))).toMatchObject({ status: 0 });
  expect(codes()).toEqual([]);
  now += 0.9 * dayMs;
  await running.apply(world(secret("a", next, { "ca.crt": strangers.certificatePem })));
  expect(codes()).toContain("LTN1003");
  expect(await open.get("a.example.com")).toMatchObject({ status: 200 });
  open.close();
  expect([await modified(), await updated()]).toEqual([0, 0]);
});

test("a client whose certificate the list takes back is refused, and certificates may come from files", async () => {
  const [port, filePort] = [await freePort(), await freePort()];
  await using folder = await temporaryFolder();
  const at = (name: string, text: string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };
  const revoked = clients.issue({ uri: "spiffe://test/revoked" });
  const list = clients.revocationList([revoked]);
  const files = {
    mode: "MUTUAL",
    serverCertificate: at("a.pem", certificates.a.certificatePem),
    privateKey: at("a.key", certificates.a.keyPem),
    caCertificates: at("ca.pem", clients.certificatePem),
    caCrl: at("ca.crl", list),
  };
  await using _running = await startGatewayEnvoy(
    [
      gateway([
        { name: "secrets", port, hosts: ["a.example.com"], tls: "{mode: MUTUAL, credentialName: a}" },
        { name: "files", port: filePort, hosts: ["a.example.com"], tls: JSON.stringify(files) },
      ]),
      routes(["a.example.com"]),
      secret("a", certificates.a, { "ca.crt": clients.certificatePem, "ca.crl": list }),
    ].join(""),
  );
  for (const each of [port, filePort]) {
    expect(await get(each, "a.example.com", as(client))).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });
    expect(await get(each, "a.example.com", as(revoked))).toMatchObject({ status: 0 });
  }
});

test("a Gateway of another namespace can't take a port from the others with files that aren't there", async () => {
  const port = await freePort();
  const nowhere = "{mode: SIMPLE, serverCertificate: /nowhere, privateKey: /nowhere}";
  await using _running = await startGatewayEnvoy(
    [
      gateway([{ name: "foreign", port, hosts: ["b.example.com"], tls: nowhere }], "foreign").replace(
        "namespace: test",
        "namespace: other",
      ),
      gateway([{ name: "own", port, hosts: ["a.example.com"], tls: "{mode: SIMPLE, credentialName: a}" }]),
      routes(["a.example.com"]),
      secret("a", certificates.a),
    ].join(""),
  );
  expect(await get(port, "a.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });
  expect(await get(port, "b.example.com")).toMatchObject({ status: 0 });
});
