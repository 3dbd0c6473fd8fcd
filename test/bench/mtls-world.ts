// A client and two servers with the real control plane's configuration: one server speaks mutual TLS alone and asks a policy, the other plaintext.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { runFiles } from "../../src/app/config.ts";
import type { ApiClient } from "../../src/http/client-types.ts";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import type { RawResource } from "../../src/store/store.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext } from "./benchmark.ts";
import { startControlPlane } from "./control-plane.ts";
import { backendBootstrap } from "./plain-envoy.ts";
import { type PodProcess, startPodProcess, type Target } from "./pod-process.ts";
import { createPod, namespace } from "./world.ts";

const settleMs = 60_000;

export type Side = "mutual" | "plaintext";

/** One of the two servers, as the client sees it. */
export interface ServerSide {
  readonly side: Side;
  /** Keeps its connections between the sidecars. */
  readonly kept: Target;
  /** The same pod, with a new connection between the sidecars for each request. */
  readonly fresh: Target;
  /** The sidecar's process. */
  readonly pid: number;
  readonly adminPath: string;
}

export interface MtlsWorld {
  readonly client: { readonly pod: PodProcess; readonly pid: number; readonly adminPath: string };
  readonly mutual: ServerSide;
  readonly plaintext: ServerSide;
}

const addresses = { client: "10.1.0.1", mutual: "10.1.0.2", plaintext: "10.1.0.3" } as const;
const policyName = "client-only";

/** Starts everything; resolves when the control plane says that all three sidecars have what they should. */
export async function startMtlsWorld(context: BenchContext): Promise<MtlsWorld> {
  const { client, runDir } = await startControlPlane(context);
  await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const uids = new Map<string, string>();
  for (const [name, address] of Object.entries(addresses)) {
    const plan = { name, app: name, version: "v1", hasProxy: true, serviceAccountName: name };
    uids.set(name, (await createPod(client, plan, address)).uid);
  }
  for (const object of [...objectsOf("mutual"), ...objectsOf("plaintext"), policy()]) await client.create(object);

  const start = async (name: keyof typeof addresses, neighbour?: PodProcess) => {
    const network = { podAddress: addresses[name], endpointAddresses: [] };
    const pod = await startPodProcess(context, neighbour === undefined ? network : { ...network, neighbour });
    const xdsPath = runFiles.xdsSocket(runDir, uids.get(name) ?? "");
    await eventually(() => existsSync(xdsPath), settleMs, `the socket of proxy ${name}`);
    const adminPath = join(runDir, `${name}.sock`);
    const bootstrap = { ...bootstrapOf({ kind: "sidecar", podName: name, namespace, xdsPath, adminPath }) };
    return { pod, adminPath, pid: await pod.envoy({ name, bootstrap, adminPath, folder: runDir, core: 0 }) };
  };
  const caller = await start("client");
  const server = async (side: Side): Promise<ServerSide> => {
    const { pod, pid, adminPath } = await start(side, caller.pod);
    const backend = join(runDir, `${side}-app.sock`);
    const bootstrap = { ...backendBootstrap(backend, ["0.0.0.0"]) };
    await pod.envoy({ name: `${side}-app`, bootstrap, adminPath: backend, folder: runDir, core: 1 });
    return { side, pid, adminPath, kept: await targetOf(client, side), fresh: await targetOf(client, freshName(side)) };
  };
  const world = { client: caller, mutual: await server("mutual"), plaintext: await server("plaintext") };
  await eventually(async () => (await client.status()).proxies.synced === 3, settleMs, "all proxies' acknowledgement");
  return world;
}

const freshName = (side: Side) => `${side}-fresh`;

async function targetOf(client: ApiClient, name: string): Promise<Target> {
  const { spec } = await client.get({ kind: "Service", namespace, name });
  const address = typeof spec === "object" && spec !== null && "clusterIP" in spec ? String(spec.clusterIP) : "";
  return { address, port: 80, host: `${name}.${namespace}.svc.cluster.local` };
}

function objectsOf(side: Side): readonly RawResource[] {
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  const service = (name: string) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: side }, ports },
  });
  const connectionPool = { http: { maxRequestsPerConnection: 1 } };
  return [
    service(side),
    service(freshName(side)),
    {
      apiVersion: "networking.istio.io/v1",
      kind: "DestinationRule",
      metadata: { name: freshName(side), namespace },
      spec: { host: freshName(side), trafficPolicy: { connectionPool } },
    },
    {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: { name: side, namespace },
      spec: { selector: { matchLabels: { app: side } }, mtls: { mode: side === "mutual" ? "STRICT" : "DISABLE" } },
    },
  ];
}

function policy(): RawResource {
  const principals = [`cluster.local/ns/${namespace}/sa/client`];
  return {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: policyName, namespace },
    spec: { selector: { matchLabels: { app: "mutual" } }, action: "ALLOW", rules: [{ from: [{ source: { principals } }] }] },
  };
}

/** Of the policy's first and only rule; its own name and no more general counter shows that it is what was asked. */
const allowedByPolicy = new RegExp(`policy\\[${policyName}\\]-rule\\[0\\]\\.shadow_allowed: `);

/** What a sidecar has counted. */
export interface Counted {
  /** TLS handshakes with other sidecars. */
  readonly handshakes: number;
  /** Requests that the policy let in. */
  readonly allowed: number;
}

export async function countedBy({ adminPath }: { readonly adminPath: string }): Promise<Counted> {
  const { body } = await askAdmin(adminPath, "GET", "/stats?usedonly&filter=handshake|rbac");
  const sum = (matches: RegExp) =>
    body
      .split("\n")
      .filter((line) => matches.test(line))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(": ") + 2)), 0);
  return { handshakes: sum(/\.ssl\.handshake: /), allowed: sum(allowedByPolicy) };
}
