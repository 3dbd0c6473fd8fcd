// Inbound delivery on a real Envoy: applications are reached whether they listen on the pod's address, 127.0.0.1 or ::1, over HTTP and
// over TCP whose server speaks first; protocols are told apart on an undeclared port.

import { createServer as createHttpServer, get } from "node:http";
import type { Server } from "node:net";
import { connect, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ResourceSet } from "../../src/envoy/config.ts";
import { inboundClusterName, virtualInboundListenerName } from "../../src/envoy/names.ts";
import { createTranslator } from "../../src/translate/proxy-config.ts";
import { startEnvoy } from "../harness/envoy.ts";
import { freePort } from "../harness/gateway-envoy.ts";
import { staticBootstrap } from "../harness/static-bootstrap.ts";
import { withoutBuiltInLog, worldOf } from "../harness/world.ts";

/** The "pod's address": loopback too, so that the test needs no privilege, but another one than the application may listen on. */
const podAddress = "127.0.0.2";
type Protocol = "http" | "tcp" | "detect";

function world(port: number, protocol: Protocol): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: test, labels: {app: web}}
spec: {containers: [{name: app}]}
status: {podIP: ${podAddress}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: test}
spec: {clusterIP: 198.19.0.1, selector: {app: web}, ports: [{name: ${protocol === "detect" ? "any" : protocol}, port: ${port}}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: plaintext, namespace: test}
spec: {mtls: {mode: DISABLE}}
`;
}

/** The inbound side on a free port instead of the captured one: chains lose their destination port, everything else stays. */
function bootstrapFor(port: number, protocol: Protocol, listenPort: number): BootstrapJson {
  const { mesh, proxy } = worldOf(world(port, protocol), { settings: { accessLogFile: "", telemetry: withoutBuiltInLog } });
  const config = createTranslator()(mesh, proxy("web.test"));
  const only = (set: ResourceSet, wanted: string): ResourceSet => new Map([...set].filter(([name]) => name === wanted));
  const { staticResources, ...rest } = staticBootstrap({
    ...config,
    clusters: only(config.clusters, inboundClusterName(port)),
    listeners: only(config.listeners, virtualInboundListenerName),
  });
  const { upstreamBindConfig: _, ...cluster } = staticResources?.clusters?.find(({ name }) => name === inboundClusterName(port)) ?? {};
  const others = (staticResources?.clusters ?? []).filter(({ name }) => name !== inboundClusterName(port));
  const [listener = {}] = staticResources?.listeners ?? [];
  const filterChains = (listener.filterChains ?? []).slice(1).map(({ filterChainMatch, ...chain }) => {
    const { destinationPort: _port, ...match } = filterChainMatch ?? {};
    return { ...chain, filterChainMatch: match };
  });
  const listenerFilters = (listener.listenerFilters ?? []).slice(1).map(({ filterDisabled: _disabled, ...filter }) => filter);
  const { defaultFilterChain: _default, ...inbound } = listener;
  const address = { socketAddress: { address: "127.0.0.1", portValue: listenPort } };
  const listeners = [{ ...inbound, address, filterChains, listenerFilters }];
  return { ...rest, staticResources: { clusters: [...others, cluster], listeners } };
}

async function listening(server: Server, address: string): Promise<AsyncDisposable & { readonly port: number }> {
  await new Promise<void>((resolve, reject) => server.listen(0, address, resolve).once("error", reject));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return { port: bound.port, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

function httpGet(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve(`${response.statusCode} ${text}`));
    }).on("error", reject);
  });
}

/** What a server that speaks first says. */
function greeting(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("data", (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed without a word")));
  });
}

const addresses = [podAddress, "127.0.0.1", "::1"];

describe.each(addresses)("an application on %s", (address) => {
  test.each(["http", "detect"] as const)("answers HTTP on a port of protocol %s", async (protocol) => {
    await using app = await listening(
      createHttpServer((_, response) => response.end("hello")),
      address,
    );
    const port = await freePort();
    await using _envoy = await startEnvoy(bootstrapFor(app.port, protocol, port));
    expect(await httpGet(port)).toBe("200 hello");
  });

  test.each(["tcp", "detect"] as const)("speaks first on a port of protocol %s", async (protocol) => {
    await using app = await listening(
      createServer((socket) => socket.on("error", () => {}).end("220 ready\n")),
      address,
    );
    const port = await freePort();
    await using _envoy = await startEnvoy(bootstrapFor(app.port, protocol, port));
    expect(await greeting(port)).toBe("220 ready\n");
  });
});
