// Gateways with TLS for tests: authorities and certificates, the Gateway's YAML, and the application behind it.

import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { afterAll, beforeAll } from "vitest";
import { listenOnLoopback } from "./loopback.ts";
import { type TestCertificate, testAuthority } from "./test-identities.ts";

/** Signs gateways' certificates. */
export const servers = testAuthority();
/** Signs those whom gateways are to take. */
export const clients = testAuthority();
export const strangers = testAuthority();
export const serverUri = "spiffe://test/server";

export const certificates = {
  a: servers.issue({ uri: serverUri, dnsNames: ["a.example.com"] }),
  b: servers.issue({ uri: serverUri, dnsNames: ["b.example.com"] }),
  wide: servers.issue({ uri: serverUri, dnsNames: ["*.example.com"] }),
  rsa: servers.issue({ uri: serverUri, dnsNames: ["a.example.com"], key: "rsa" }),
};
export const client = clients.issue({ uri: "spiffe://test/client", dnsNames: ["client.example.com"] });
export const stranger = strangers.issue({ uri: "spiffe://test/client" });

let backendPort = 0;
let tcpPort = 0;

/** Starts, for the tests of a file, what all routes lead to: over HTTP it answers what it was told of the client, over TCP a greeting. */
export function useApplication(): void {
  const backend = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ xfcc: request.headers["x-forwarded-client-cert"] ?? null, proto: request.headers["x-forwarded-proto"] }));
  });
  const tcp = createTcpServer((socket) => socket.on("error", () => {}).end("hello from tcp\n"));
  beforeAll(async () => {
    backendPort = await listenOnLoopback(backend);
    tcpPort = await listenOnLoopback(tcp);
  });
  afterAll(() => {
    backend.close();
    backend.closeAllConnections();
    tcp.close();
  });
}

export interface ServerCase {
  readonly name: string;
  readonly port: number;
  readonly hosts: readonly string[];
  readonly tls?: string;
  readonly protocol?: string;
}

/** YAML of a Gateway of namespace "test" on loopback. */
export function gateway(cases: readonly ServerCase[], name = "gateway"): string {
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

/** YAML of the application, and of routes to it; only while `useApplication` serves. */
export function routes(hosts: readonly string[], gateways: readonly string[] = ["gateway"]): string {
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

/** YAML of a Secret with a certificate and its key, when there is one, and what else it holds. */
export function secret(
  name: string,
  certificate: TestCertificate | undefined,
  more: Readonly<Record<string, string>> = {},
  namespace = "test",
): string {
  const pair = certificate === undefined ? {} : { "tls.crt": certificate.certificatePem, "tls.key": certificate.keyPem };
  const document = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "Opaque", stringData: { ...pair, ...more } };
  return `${JSON.stringify(document)}\n---\n`;
}
