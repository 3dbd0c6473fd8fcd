// Inbound delivery on a real Envoy: applications are reached whether they listen on the pod's address, 127.0.0.1 or ::1, over HTTP and
// over TCP whose server speaks first; protocols are told apart on an undeclared port.

import { createServer as createHttpServer, get } from "node:http";
import type { Server } from "node:net";
import { connect, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { decodeJson, encodeJson } from "../../src/envoy/codec.ts";
import type { InboundPort, MeshProxy, PortProtocol } from "../../src/model/mesh.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { inboundCluster } from "../../src/translate/cluster/inbound.ts";
import { virtualInboundListener } from "../../src/translate/listener/inbound.ts";
import { startEnvoy } from "../harness/envoy.ts";
import { freePort } from "../harness/gateway-envoy.ts";

const settings = { ...defaultMeshSettings, accessLogFile: "" };
/** The "pod's address": loopback too, so that the test needs no privilege, but another one than the application may listen on. */
const podAddress = "127.0.0.2";

function inboundPort(port: number, protocol: PortProtocol): InboundPort {
  const servicePort = { number: port, name: "any", protocol, targetPort: port };
  return {
    port,
    servicePort,
    service: {
      id: "test/web",
      hostname: "web.test.svc.cluster.local",
      namespace: "test",
      name: "web",
      kind: "Service",
      source: "Service test/web",
      external: false,
      headless: false,
      resolution: "endpoints",
      vips: [],
      ports: [servicePort],
      exportTo: "all",
      createdAt: "",
    },
  };
}

const proxy: MeshProxy = {
  id: "web.test",
  kind: "sidecar",
  podName: "web",
  podUid: "",
  namespace: "test",
  address: podAddress,
  labels: {},
  serviceAccount: "default",
  workload: { name: "web", namespace: "test", labels: {} },
  inbound: [],
};

/** The inbound side on a free port instead of the captured one: chains lose their destination port, everything else stays. */
function bootstrapFor(inbound: InboundPort, listenPort: number): BootstrapJson {
  const { upstreamBindConfig: _, ...cluster } = inboundCluster(inbound, proxy, settings);
  const listener = decodeJson(ListenerSchema, encodeJson(ListenerSchema, virtualInboundListener([inbound], settings)));
  const filterChains = (listener.filterChains ?? []).slice(1).map(({ filterChainMatch, ...chain }) => {
    const { destinationPort: _port, ...match } = filterChainMatch ?? {};
    return { ...chain, filterChainMatch: match };
  });
  const listenerFilters = (listener.listenerFilters ?? []).slice(1).map(({ filterDisabled: _disabled, ...filter }) => filter);
  const { defaultFilterChain: _default, ...rest } = listener;
  const address = { socketAddress: { address: "127.0.0.1", portValue: listenPort } };
  return { staticResources: { clusters: [cluster], listeners: [{ ...rest, address, filterChains, listenerFilters }] } };
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
    await using _envoy = await startEnvoy(bootstrapFor(inboundPort(app.port, protocol), port));
    expect(await httpGet(port)).toBe("200 hello");
  });

  test.each(["tcp", "detect"] as const)("speaks first on a port of protocol %s", async (protocol) => {
    await using app = await listening(
      createServer((socket) => socket.on("error", () => {}).end("220 ready\n")),
      address,
    );
    const port = await freePort();
    await using _envoy = await startEnvoy(bootstrapFor(inboundPort(app.port, protocol), port));
    expect(await greeting(port)).toBe("220 ready\n");
  });
});
