// TLS to servers outside the mesh on a real Envoy: whom a DestinationRule lets a server be, and with which certificate it is asked.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ClientGateway,
  external,
  issuedBy,
  remote,
  startClientGateway,
  stranger,
  virtualService,
} from "../harness/client-tls-world.ts";
import { gatewayYaml } from "../harness/gateway-envoy.ts";
import { type ServerCertificate, startTlsServer, type TlsServer } from "../harness/tls-server.ts";

const day = 86_400_000;
let stack: AsyncDisposableStack;
let client: ClientGateway;
let server: TlsServer;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  server = stack.use(await startTlsServer({ certificate: remote(), alpn: ["http/1.1"] }));
  client = stack.use(await startClientGateway());
}, 30_000);

afterAll(() => stack.disposeAsync());

/** A host outside the mesh that speaks TLS; `tls` is a DestinationRule's block. */
function outside(tls: string, more = ""): string {
  return `${gatewayYaml(client.port, "HTTP")}
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: remote, namespace: test}
spec:
  hosts: [remote.example]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${server.port}}, {number: 443, name: https, protocol: HTTPS, targetPort: ${server.port}}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: remote, namespace: test}
spec:
  host: remote.example
  trafficPolicy:
    connectionPool: {http: {maxRequestsPerConnection: 1}}
    tls: ${tls}
---
${more === "" ? virtualService("remote.example", "remote.example", 80) : more}`;
}

describe("to servers outside the mesh", () => {
  const simple = "{mode: SIMPLE}";

  test.each<[string, string, () => ServerCertificate]>([
    ["the system's CA and the host's name", simple, remote],
    ["other names that the rule gives", "{mode: SIMPLE, subjectAltNames: [other.example]}", () => remote({ dnsNames: ["other.example"] })],
    ["another server name", "{mode: SIMPLE, sni: other.example}", () => remote({ dnsNames: ["other.example"] })],
    [
      "whatever it shows, when the rule says so",
      "{mode: SIMPLE, insecureSkipVerify: true}",
      () => remote({ dnsNames: ["x.example"] }, stranger),
    ],
  ])("known by %s", async (_, tls, certificate) => {
    server.use(certificate());
    await client.gateway.apply(outside(tls));
    const { status, seen } = await client.send("remote.example");
    expect(status).toBe(200);
    expect(seen).toMatchObject({ isEncrypted: true, host: "remote.example", alpn: "http/1.1", client: "" });
    expect(seen?.sni).toBe(tls.includes("sni:") ? "other.example" : "remote.example");
  });

  test.each<[string, string, () => ServerCertificate]>([
    ["expired", simple, () => remote({ validMs: { from: Date.now() - 2 * day, to: Date.now() - day } })],
    ["not yet valid", simple, () => remote({ validMs: { from: Date.now() + day, to: Date.now() + 2 * day } })],
    ["of an unknown CA", simple, () => remote({}, stranger)],
    ["for another host", simple, () => remote({ dnsNames: ["other.example"] })],
    ["without the name that the rule gives", "{mode: SIMPLE, subjectAltNames: [other.example]}", remote],
  ])("refused, with the reason in the log, when its certificate is %s", async (_, tls, certificate) => {
    server.use(certificate());
    await client.gateway.apply(outside(tls));
    const { status, line } = await client.sendAndRead("remote.example");
    expect(status).toBe(503);
    expect(line).toMatch(/TLS_error:.*CERTIFICATE_VERIFY_FAILED/);
  });

  test("a file of CA certificates takes the system's place", async () => {
    const file = join(client.folder, "ca.pem");
    writeFileSync(file, stranger.certificatePem);
    server.use(remote({}, stranger));
    await client.gateway.apply(outside(`{mode: SIMPLE, caCertificates: ${file}}`));
    expect((await client.send("remote.example")).status).toBe(200);
    server.use(remote());
    expect((await client.send("remote.example")).status).toBe(503);
  });

  test("a route from port 80 to the TLS port begins TLS there", async () => {
    server.use(remote());
    const portLevel = "{mode: DISABLE}\n    portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]";
    await client.gateway.apply(outside(portLevel, virtualService("remote.example", "remote.example", 443)));
    expect(await client.send("remote.example")).toMatchObject({ status: 200, seen: { isEncrypted: true, sni: "remote.example" } });
  });

  test("a client certificate from a Secret, which may come later than the rule", async () => {
    server.use(remote());
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const own = issuedBy(external, { uri: "https://client.example", dnsNames: ["client.example"] });
    const secret = `
apiVersion: v1
kind: Secret
metadata: {name: client, namespace: test}
type: kubernetes.io/tls
data: {tls.crt: ${base64(own.chainPem)}, tls.key: ${base64(own.keyPem)}, ca.crt: ${base64(external.certificatePem)}}
---
`;
    const world = outside("{mode: MUTUAL, credentialName: client}");
    await client.gateway.apply(world);
    expect((await client.send("remote.example")).status, "without its Secret nothing is sent, least of all in plaintext").toBe(503);
    await client.gateway.apply(secret + world);
    const { status, seen } = await client.send("remote.example");
    expect(status).toBe(200);
    expect(seen?.client).toContain("client.example");
  });
});
