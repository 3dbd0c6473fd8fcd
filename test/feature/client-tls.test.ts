// The client's side of TLS between workloads on a real Envoy: mutual TLS per endpoint, and whom it lets a server be.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Answer,
  type ClientGateway,
  issuedBy,
  remote,
  startClientGateway,
  stranger,
  virtualService,
} from "../harness/client-tls-world.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort, gatewayYaml } from "../harness/gateway-envoy.ts";
import { type ServerCertificate, startTlsServer, type TlsServer } from "../harness/tls-server.ts";

let stack: AsyncDisposableStack;
let client: ClientGateway;
let inside: TlsServer;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  inside = stack.use(await startTlsServer({ certificate: remote() }));
  client = stack.use(await startClientGateway());
}, 30_000);

afterAll(() => stack.disposeAsync());

interface WebOptions {
  readonly hasSidecar?: boolean;
  readonly mode?: "DISABLE" | "PERMISSIVE" | "STRICT";
  /** Of a DestinationRule's traffic policy. */
  readonly tls?: string;
  readonly requestsPerConnection?: number;
}

function web({ hasSidecar = true, mode = "PERMISSIVE", tls, requestsPerConnection = 1 }: WebOptions): string {
  return `${gatewayYaml(client.port, "HTTP")}
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

const meshCertificate = (namespace: string, serviceAccount: string): ServerCertificate =>
  client.secrets.authority.issue({ trustDomain: "cluster.local", namespace, serviceAccount });

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
    await client.gateway.apply(web(options));
    const { status, seen } = await client.send("web.example");
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
    await client.gateway.apply(`${web({})}
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
    const { seen } = await client.send("whatever", "/", tcpPort);
    expect(seen).toMatchObject({ isEncrypted: true, alpn: "istio", sni: "outbound_.9000_._.lines.test.svc.cluster.local" });
  });

  /** Requests without a pause, four at a time, while `action` changes the world; all answers. */
  async function underLoad(action: (latest: () => readonly Answer[]) => Promise<void>): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    let isRunning = true;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (isRunning) answers.push(await client.send("web.example"));
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
  const changedClusters = () => client.gateway.stat("cluster_manager.cluster_modified");

  test("a server that changes over and back ten times under load: every request is answered", async () => {
    await client.gateway.apply(web({ requestsPerConnection: 5 }));
    const before = await changedClusters();
    const answers = await underLoad(async (all) => {
      for (let round = 0; round < 10; round += 1) {
        const isEncrypted = round % 2 === 1;
        await client.gateway.apply(web({ requestsPerConnection: 5, mode: isEncrypted ? "STRICT" : "DISABLE" }));
        await settledAs(all, isEncrypted);
      }
    });
    expect(failures(answers)).toEqual([]);
    expect(await changedClusters(), "endpoints alone say it").toBe(before);
  });

  test("a rule that asks for it and forbids it ten times under load: every request is answered", async () => {
    await client.gateway.apply(web({ requestsPerConnection: 5 }));
    const answers = await underLoad(async (all) => {
      for (let round = 0; round < 10; round += 1) {
        const isEncrypted = round % 2 === 1;
        await client.gateway.apply(web({ requestsPerConnection: 5, tls: `{mode: ${isEncrypted ? "ISTIO_MUTUAL" : "DISABLE"}}` }));
        await settledAs(all, isEncrypted);
      }
    });
    expect(failures(answers)).toEqual([]);
  });

  test("fifty certificates of its own under load: each is used, and every request is answered", async () => {
    await client.gateway.apply(web({}));
    const answers = await underLoad(async (all) => {
      await settledAs(all, true);
      for (let round = 0; round < 50; round += 1) {
        // Connections of several ages answer in turn, so the last answer says nothing.
        const used = new Set(all().map(({ seen }) => seen?.serial));
        client.secrets.renew();
        await client.gateway.apply(web({}));
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
    await client.gateway.apply(web({ requestsPerConnection: 5 }));
    const before = await changedClusters();
    const answers = await underLoad(async (all) => {
      for (let round = 0; round < 10; round += 1) {
        await client.gateway.apply((round % 2 === 0 ? next : "") + web({ requestsPerConnection: 5 }));
        await settledAs(all, true);
      }
    });
    expect(failures(answers)).toEqual([]);
    expect(await changedClusters()).toBeGreaterThan(before);
    inside.use(meshCertificate("test", "next"));
    await client.gateway.apply(next + web({}));
    expect((await client.send("web.example")).status, "known before its first endpoint is ready").toBe(200);
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
    await client.gateway.apply(web({}));
    inside.use(certificate());
    const { status, line } = await client.sendAndRead("web.example");
    inside.use(meshCertificate("test", "web"));
    expect(status).toBe(503);
    expect(line).toMatch(/TLS_error:.*CERTIFICATE_VERIFY_FAILED/);
    expect((await client.send("web.example")).status).toBe(200);
  });
});
