// The large world: many services with two endpoints, every one split between two subsets, and the pods of proxies; made through the API.

import type { ApiClient } from "../../src/http/client-types.ts";
import type { RawResource } from "../../src/store/store.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext } from "./benchmark.ts";

/** Where everything of a world lives. */
export const namespace = "bench";
const parallel = 32;
/** How long the controllers may take for all endpoints. */
const settleMs = 120_000;

export interface WorldSize {
  readonly services: number;
  /** Pods of the first services, which have a proxy each. */
  readonly proxies: number;
  /** Pods of each version of a service; 1 unless set. */
  readonly replicas?: number;
}

export const worldSizes = { full: { services: 1000, proxies: 100 }, quick: { services: 50, proxies: 6 } } as const;

export interface PodPlace {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly address: string;
}

export interface World {
  /** Pods with a proxy, and last of all the one of the real Envoy. */
  readonly proxies: readonly PodPlace[];
  readonly real: PodPlace;
  /** The service that the real Envoy's application calls: the last one. */
  readonly service: { readonly name: string; readonly host: string; readonly vip: string; readonly endpoints: readonly string[] };
}

/** Makes the world and waits until the control plane has all its endpoints. */
export async function createWorld(client: ApiClient, size: WorldSize, context: BenchContext): Promise<World> {
  const start = performance.now();
  await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const indexes = Array.from({ length: size.services }, (_, index) => index);
  const replicas = Array.from({ length: size.replicas ?? 1 }, (_, replica) => replica);
  const pods = indexes.flatMap((index) => versions.flatMap((version) => replicas.map((replica) => ({ index, version, replica }))));
  const made = await inParallel(pods, (pod) => {
    const { index, version, replica } = pod;
    const hasProxy = pods.indexOf(pod) < size.proxies;
    const name = `${serviceName(index)}-${version}${replica === 0 ? "" : `-${replica}`}`;
    return createPod(client, { name, app: serviceName(index), version, hasProxy }, addressOf(index, version, replica));
  });
  const real = await createPod(client, { name: "real", app: "real", version: "v1", hasProxy: true }, "10.200.0.1");
  await inParallel(indexes, (index) => client.create(serviceOf(index)));
  await inParallel(indexes, (index) => client.create(destinationRuleOf(index)));
  await inParallel(indexes, (index) => client.create(virtualServiceOf(index, 50)));
  await eventually(async () => (await readyEndpoints(client)) === pods.length, settleMs, "every service's endpoints");
  context.progress(`${size.services} services with ${pods.length} endpoints made in ${Math.round(performance.now() - start)} ms`);
  const last = size.services - 1;
  const vip = vipOf(await client.get({ kind: "Service", namespace, name: serviceName(last) }));
  const endpoints = endpointsOf(last);
  const host = `${serviceName(last)}.${namespace}.svc.cluster.local`;
  return { proxies: made.slice(0, size.proxies), real, service: { name: serviceName(last), host, vip, endpoints } };
}

const versions = ["v1", "v2"] as const;

export function serviceName(index: number): string {
  return `svc${String(index).padStart(4, "0")}`;
}

/** The addresses of a service's first pods, one of each version. */
export function endpointsOf(index: number): readonly string[] {
  return versions.map((version) => addressOf(index, version));
}

function addressOf(index: number, version: string, replica = 0): string {
  return `10.${(version === "v1" ? 1 : 2) + 2 * replica}.${index >> 8}.${index & 255}`;
}

interface PodPlan {
  readonly name: string;
  readonly app: string;
  readonly version: string;
  readonly hasProxy: boolean;
  /** Default: "default". */
  readonly serviceAccountName?: string;
}

/** Makes a pod that is ready at once. */
export async function createPod(client: ApiClient, plan: PodPlan, address: string): Promise<PodPlace> {
  const { name, app, version, hasProxy, serviceAccountName } = plan;
  const inject = hasProxy ? {} : { "sidecar.istio.io/inject": "false" };
  const { object } = await client.create({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app, version, ...inject } },
    spec: { serviceAccountName, containers: [{ name: "app", image: "app", ports: [{ containerPort: 8080 }] }] },
  });
  const conditions = [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }];
  await client.patchStatus({ kind: "Pod", namespace, name }, { status: { phase: "Running", podIP: address, conditions } });
  return { name, namespace, uid: object.metadata.uid ?? "", address };
}

function serviceOf(index: number): RawResource {
  const name = serviceName(index);
  const spec = { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] };
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec };
}

function destinationRuleOf(index: number): RawResource {
  const host = serviceName(index);
  const subsets = versions.map((version) => ({ name: version, labels: { version } }));
  return { apiVersion: "networking.istio.io/v1", kind: "DestinationRule", metadata: { name: host, namespace }, spec: { host, subsets } };
}

/** A split with retries and a timeout, as a release has. */
export function virtualServiceOf(index: number, weight: number, moreRules: readonly object[] = []): RawResource {
  const name = serviceName(index);
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name, namespace },
    spec: { hosts: [name], http: [...moreRules, splitRule(name, weight)] },
  };
}

/** The http rules of a service's split; a merge patch replaces the whole list. */
export function splitRule(host: string, weight: number): object {
  return {
    timeout: "5s",
    retries: { attempts: 2, perTryTimeout: "2s", retryOn: "5xx" },
    route: [
      { destination: { host, subset: "v1" }, weight: 100 - weight },
      { destination: { host, subset: "v2" }, weight },
    ],
  };
}

/** Sets the v2 share of a service's split, in percent, and the rules before the split. */
export function setWeight(client: ApiClient, service: string, weight: number, moreRules: readonly object[] = []) {
  const http = [...moreRules, splitRule(service, weight)];
  return client.patch({ kind: "VirtualService", namespace, name: service }, { spec: { http } });
}

async function readyEndpoints(client: ApiClient): Promise<number> {
  const { items } = await client.list("EndpointSlice", { namespace });
  return items.reduce((sum, { endpoints }) => sum + (Array.isArray(endpoints) ? endpoints.length : 0), 0);
}

function vipOf(service: RawResource): string {
  const spec = service["spec"];
  return typeof spec === "object" && spec !== null && "clusterIP" in spec ? String(spec.clusterIP) : "";
}

async function inParallel<T, R>(items: readonly T[], action: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  const worker = async () => {
    for (const [index, item] of waiting) results[index] = await action(item);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return results;
}
