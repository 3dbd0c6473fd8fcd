// A gateway as a client of TLS servers: certificates of every kind, requests through it, and what its access log says of them.

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { temporaryFolder } from "./envoy.ts";
import { eventually } from "./eventually.ts";
import { freePort, type GatewayEnvoy, gatewayYaml, startGatewayEnvoy } from "./gateway-envoy.ts";
import { type TestAuthority, type TestNames, testAuthority } from "./test-identities.ts";
import { startTestSecrets, type TestSecrets } from "./test-secrets.ts";
import type { SeenRequest, ServerCertificate } from "./tls-server.ts";

/** What the gateway takes for the machine's CA, and one that nobody believes. */
export const external = testAuthority();
export const stranger = testAuthority();

export function issuedBy(authority: TestAuthority, names: TestNames): ServerCertificate {
  const { certificatePem, keyPem } = authority.issue(names);
  return { chainPem: certificatePem, keyPem };
}

/** The certificate of a server outside the mesh. */
export const remote = (fields: Partial<TestNames> = {}, authority = external): ServerCertificate =>
  issuedBy(authority, { uri: "https://remote.example", dnsNames: ["remote.example"], ...fields });

export interface Answer {
  readonly status: number;
  /** What the server saw; undefined without status 200. */
  readonly seen: SeenRequest | undefined;
}

export interface ClientGateway extends AsyncDisposable {
  readonly folder: string;
  /** Where it listens for HTTP. */
  readonly port: number;
  readonly gateway: GatewayEnvoy;
  readonly secrets: TestSecrets;
  /** One request on a connection of its own. */
  send(host: string, path?: string, at?: number): Promise<Answer>;
  /** A request, and the access log's words about it. */
  sendAndRead(host: string): Promise<Answer & { readonly line: string }>;
}

/** Starts it, with automatic mutual TLS. */
export async function startClientGateway(): Promise<ClientGateway> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder()).path;
  const log = join(folder, "access.log");
  const port = await freePort();
  let secrets: TestSecrets | undefined;
  const gateway = cleanup.use(
    await startGatewayEnvoy(
      gatewayYaml(port, "HTTP"),
      { enableAutoMtls: true, accessLogFile: log },
      {
        secretsOf: (credentials) => {
          secrets = startTestSecrets(credentials, () => external.certificatePem);
          return secrets;
        },
      },
    ),
  );
  if (secrets === undefined) throw new Error("no secrets were made");
  const send: ClientGateway["send"] = (host, path = "/", at = port) => sendTo(at, host, path);
  let sent = 0;
  const stack = cleanup.move();
  return {
    folder,
    port,
    gateway,
    secrets,
    send,
    sendAndRead: async (host) => {
      sent += 1;
      const path = `/request-${sent}`;
      const answer = await send(host, path);
      const find = () =>
        readFileSync(log, "utf8")
          .split("\n")
          .find((line) => line.includes(`${path} `));
      await eventually(() => find() !== undefined, 45_000, "a line in the access log");
      return { ...answer, line: find() ?? "" };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function sendTo(port: number, host: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path, headers: { host }, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        resolve({ status, seen: status === 200 ? JSON.parse(text) : undefined });
      });
    });
    call.on("error", reject);
    call.end();
  });
}

/** YAML of a gateway's route to one destination. */
export function virtualService(host: string, destination: string, destinationPort: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}, namespace: test}
spec:
  hosts: [${host}]
  gateways: [gateway]
  http: [{route: [{destination: {host: ${destination}, port: {number: ${destinationPort}}}}]}]
---
`;
}
