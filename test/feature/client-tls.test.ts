// The client's side of TLS on a real Envoy: mutual TLS per endpoint, whom it lets a server be, and TLS to servers outside the mesh.

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../harness/envoy.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort, type GatewayEnvoy, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { type TestNames, testAuthority } from "../harness/test-identities.ts";
import { startTestSecrets, type TestSecrets } from "../harness/test-secrets.ts";
import { type SeenRequest, type ServerCertificate, startTlsServer, type TlsServer } from "../harness/tls-server.ts";

const external = testAuthority();
const stranger = testAuthority();
const day = 86_400_000;
const issuedBy = (authority: typeof external, names: TestNames): ServerCertificate => {
  const { certificatePem, keyPem } = authority.issue(names);
  return { chainPem: certificatePem, keyPem };
};
const remote = (fields: Partial<TestNames> = {}, authority = external) =>
  issuedBy(authority, { uri: "https://remote.example", dnsNames: ["remote.example"], ...fields });

let stack: AsyncDisposableStack;
let folder: string;
/** A workload's, and one outside the mesh. */
let inside: TlsServer;
let server: TlsServer;
let gateway: GatewayEnvoy;
let secrets: TestSecrets;
let port: number;
let log: string;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  folder = stack.use(await temporaryFolder()).path;
  log = join(folder, "access.log");
  port = await freePort();
  inside = stack.use(await startTlsServer({ certificate: remote() }));
  server = stack.use(await startTlsServer({ certificate: remote(), alpn: ["http/1.1"] }));
  gateway = stack.use(
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
}, 30_000);

afterAll(() => stack.disposeAsync());

interface Answer {
  readonly status: number;
  readonly seen: SeenRequest | undefined;
}

function send(host: string, path = "/", at = port): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: at, path, headers: { host }, agent: false }, (response) => {
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

/** A request, and the access log's words about it. */
async function sendAndRead(host: string): Promise<Answer & { readonly line: string }> {
  sent += 1;
  const path = `/request-${sent}`;
  const answer = await send(host, path);
  const find = () =>
    readFileSync(log, "utf8")
      .split("\n")
      .find((line) => line.includes(`${path} `));
  await eventually(() => find() !== undefined, 45_000, "a line in the access log");
  return { ...answer, line: find() ?? "" };
}

let sent = 0;

interface WebOptions {
  readonly hasSidecar?: boolean;
  readonly mode?: "DISABLE" | "PERMISSIVE" | "STRICT";
  /** Of a DestinationRule's traffic policy. */
  readonly tls?: string;
  readonly requestsPerConnection?: number;
}

function web({ hasSidecar = true, mode = "PERMISSIVE", tls, requestsPerConnection = 1 }: WebOptions): string {
  return `${gatewayYaml(port, "HTTP")}
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: test, labels: {app: web, sidecar.istio.io/inject: "${hasSidecar}"}}
spec: {serviceAccountName: web, containers: [{name: app, image: none}]}
status: {podIP: 127.0.0.1}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: test}
spec: {clusterIP: 198.19.0.10, selector: {app: web}, ports: [{name: http, port: 80, targetPort: ${inside.port}}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: test}
spec: {mtls: {mode: ${mode}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: test}
spec:
  host: web
  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: ${requestsPerConnection}}}${tls === undefined ? "" : `, tls: ${tls}`}}
---
${virtualService("web.example", "web.test.svc.cluster.local", 80)}`;
}

function virtualService(host: string, destination: string, destinationPort: number): string {
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

const meshCertificate = (namespace: string, serviceAccount: string): ServerCertificate =>
  secrets.authority.issue({ trustDomain: "cluster.local", namespace, serviceAccount });

describe("between workloads", () => {
  beforeAll(() => inside.use(meshCertificate("test", "web")));

  test.each<[string, WebOptions, boolean]>([
    ["a sidecar that accepts mutual TLS gets it", {}, true],
    ["a sidecar that insists on it gets it", { mode: "STRICT" }, true],
    ["a sidecar that refuses it gets plaintext", { mode: "DISABLE" }, false],
    ["a pod without a sidecar gets plaintext", { hasSidecar: false }, false],
    ["a rule can forbid it", { tls: "{mode: DISABLE}" }, false],
    ["a rule can ask for it where nothing is known of the server", { hasSidecar: false, tls: "{mode: ISTIO_MUTUAL}" }, true],
  ])("%s", async (_, options, isEncrypted) => {
    await gateway.apply(web(options));
    const { status, seen } = await send("web.example");
    expect({ status, isEncrypted: seen?.isEncrypted }).toEqual({ status: 200, isEncrypted });
    if (!isEncrypted) return;
    expect(seen).toMatchObject({
      alpn: "istio-http/1.1",
      sni: "outbound_.80_._.web.test.svc.cluster.local",
      client: expect.stringContaining("URI:spiffe://cluster.local/ns/test/sa/default"),
    });
  });

  test.each(["tcp", "undeclared"])("a connection without HTTP to a %s port says so", async (name) => {
    const tcpPort = await freePort();
    await gateway.apply(`${web({})}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: tcp, namespace: test}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: ${tcpPort}, name: tcp, protocol: TCP}, bind: 127.0.0.1, hosts: ["*"]}]}
---
apiVersion: v1
kind: Service
metadata: {name: lines, namespace: test}
spec: {clusterIP: 198.19.0.11, selector: {app: web}, ports: [{name: ${name}, port: 9000, targetPort: ${inside.port}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lines, namespace: test}
spec: {hosts: ["*"], gateways: [tcp], tcp: [{route: [{destination: {host: lines, port: {number: 9000}}}]}]}
`);
    const { seen } = await send("whatever", "/", tcpPort);
    expect(seen).toMatchObject({ isEncrypted: true, alpn: "istio", sni: "outbound_.9000_._.lines.test.svc.cluster.local" });
  });

  /** Requests without a pause, four at a time, while `action` changes the world; all answers. */
  async function underLoad(action: (latest: () => readonly Answer[]) => Promise<void>): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    let isRunning = true;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (isRunning) answers.push(await send("web.example"));
      }),
    );
    try {
      await action(() => answers);
    } finally {
      isRunning = false;
      await load;
    }
    return answers;
  }

  /** Twenty answers in a row, from now on. */
  async function settledAs(all: () => readonly Answer[], isEncrypted: boolean): Promise<void> {
    const from = all().length;
    const latest = () => all().slice(from).slice(-20);
    const isChanged = () => latest().length === 20 && latest().every(({ seen }) => seen?.isEncrypted === isEncrypted);
    await eventually(isChanged, 30_000, `connections that are ${isEncrypted ? "encrypted" : "not encrypted"}`);
  }

  const failures = (answers: readonly Answer[]) => answers.filter(({ status }) => status !== 200);
  const changedClusters = () => gateway.stat("cluster_manager.cluster_modified");

  test("a server that changes over and back ten times under load: every request is answered", async () => {
    await gateway.apply(web({ requestsPerConnection: 5 }));
    const before = await changedClusters();
    const answers = await underLoad(async (all) => {
      for (let round = 0; round < 10; round += 1) {
        const isEncrypted = round % 2 === 1;
        await gateway.apply(web({ requestsPerConnection: 5, mode: isEncrypted ? "STRICT" : "DISABLE" }));
        await settledAs(all, isEncrypted);
      }
    });
    expect(failures(answers)).toEqual([]);
    expect(await changedClusters(), "endpoints alone say it").toBe(before);
  });

  test("a rule that asks for it and forbids it ten times under load: every request is answered", async () => {
    await gateway.apply(web({ requestsPerConnection: 5 }));
    const answers = await underLoad(async (all) => {
      for (let round = 0; round < 10; round += 1) {
        const isEncrypted = round % 2 === 1;
        await gateway.apply(web({ requestsPerConnection: 5, tls: `{mode: ${isEncrypted ? "ISTIO_MUTUAL" : "DISABLE"}}` }));
        await settledAs(all, isEncrypted);
      }
    });
    expect(failures(answers)).toEqual([]);
  });

  test("fifty certificates of its own under load: each is used, and every request is answered", async () => {
    await gateway.apply(web({}));
    const answers = await underLoad(async (all) => {
      await settledAs(all, true);
      for (let round = 0; round < 50; round += 1) {
        // Connections of several ages answer in turn, so the last answer says nothing.
        const used = new Set(all().map(({ seen }) => seen?.serial));
        secrets.renew();
        await gateway.apply(web({}));
        const isUsed = () => all().some(({ seen }) => seen?.serial !== undefined && !used.has(seen.serial));
        await eventually(isUsed, 30_000, "connections with the new certificate");
      }
    });
    expect(failures(answers)).toEqual([]);
    expect(new Set(answers.map(({ seen }) => seen?.serial)).size).toBeGreaterThanOrEqual(50);
  });

  test("service accounts come and go behind a service under load: every request is answered", async () => {
    const next = `
apiVersion: v1
kind: Pod
metadata: {name: next, namespace: test, labels: {app: web}}
spec: {serviceAccountName: next, containers: [{name: app, image: none}]}
status: {podIP: 127.0.0.9, conditions: [{type: Ready, status: "False"}]}
---
`;
    await gateway.apply(web({ requestsPerConnection: 5 }));
    const before = await changedClusters();
    const answers = await underLoad(async (all) => {
      for (let round = 0; round < 10; round += 1) {
        await gateway.apply((round % 2 === 0 ? next : "") + web({ requestsPerConnection: 5 }));
        await settledAs(all, true);
      }
    });
    expect(failures(answers)).toEqual([]);
    expect(await changedClusters()).toBeGreaterThan(before);
    inside.use(meshCertificate("test", "next"));
    await gateway.apply(next + web({}));
    expect((await send("web.example")).status, "known before its first endpoint is ready").toBe(200);
    inside.use(meshCertificate("test", "web"));
  });

  test.each<[string, () => ServerCertificate]>([
    ["another service account", () => meshCertificate("test", "other")],
    ["another namespace", () => meshCertificate("victim", "web")],
    ["a name that only begins alike", () => meshCertificate("test", "web2")],
    ["another root", () => issuedBy(stranger, { uri: "spiffe://cluster.local/ns/test/sa/web" })],
    [
      "the right identity as text of a DNS name",
      () => issuedBy(stranger, { uri: "https://x", dnsNames: ["spiffe://cluster.local/ns/test/sa/web"] }),
    ],
  ])("a server with the certificate of %s is refused, and the log says why", async (_, certificate) => {
    await gateway.apply(web({}));
    inside.use(certificate());
    const { status, line } = await sendAndRead("web.example");
    inside.use(meshCertificate("test", "web"));
    expect(status).toBe(503);
    expect(line).toMatch(/TLS_error:.*CERTIFICATE_VERIFY_FAILED/);
    expect((await send("web.example")).status).toBe(200);
  });
});

/** A host outside the mesh that speaks TLS; `tls` is a DestinationRule's block. */
function outside(tls: string, more = ""): string {
  return `${gatewayYaml(port, "HTTP")}
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
    await gateway.apply(outside(tls));
    const { status, seen } = await send("remote.example");
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
    await gateway.apply(outside(tls));
    const { status, line } = await sendAndRead("remote.example");
    expect(status).toBe(503);
    expect(line).toMatch(/TLS_error:.*CERTIFICATE_VERIFY_FAILED/);
  });

  test("a file of CA certificates takes the system's place", async () => {
    const file = join(folder, "ca.pem");
    writeFileSync(file, stranger.certificatePem);
    server.use(remote({}, stranger));
    await gateway.apply(outside(`{mode: SIMPLE, caCertificates: ${file}}`));
    expect((await send("remote.example")).status).toBe(200);
    server.use(remote());
    expect((await send("remote.example")).status).toBe(503);
  });

  test("a route from port 80 to the TLS port begins TLS there", async () => {
    server.use(remote());
    const portLevel = "{mode: DISABLE}\n    portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]";
    await gateway.apply(outside(portLevel, virtualService("remote.example", "remote.example", 443)));
    expect(await send("remote.example")).toMatchObject({ status: 200, seen: { isEncrypted: true, sni: "remote.example" } });
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
    await gateway.apply(world);
    expect((await send("remote.example")).status, "without its Secret nothing is sent, least of all in plaintext").toBe(503);
    await gateway.apply(secret + world);
    const { status, seen } = await send("remote.example");
    expect(status).toBe(200);
    expect(seen?.client).toContain("client.example");
  });
});
