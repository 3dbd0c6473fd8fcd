// A delta ADS client that subscribes and acknowledges as Envoy does: RTDS first, wildcard CDS and LDS, EDS by name after CDS,
// RDS by name from listeners, SDS by name. For feature tests and benches with many proxies; keeps versions, not contents.

import { basename } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { NodeSchema } from "#envoy/envoy/config/core/v3/base_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "#envoy/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceType } from "../../src/envoy/config.ts";
import { runtimeLayerName } from "../../src/envoy/config.ts";
import { resourceTypeOf, resourceTypes, typeUrls } from "../../src/xds/resource-types.ts";

/** A response as it arrived. */
export interface ReceivedResponse {
  readonly type: ResourceType;
  readonly names: readonly string[];
  readonly removed: readonly string[];
  readonly sizeBytes: number;
  /** performance.now() when its ACK or NACK was sent; undefined until then. */
  answeredAt: number | undefined;
}

export interface FakeProxyOptions {
  readonly socketPath: string;
  /** Default: the socket's file name without ".sock". */
  readonly nodeId?: string;
  /** How long an answer takes; default none. */
  readonly answerDelayMs?: (type: ResourceType) => number;
  /** Why the proxy refuses a resource; undefined accepts it. Envoy's words name clusters and listeners. */
  readonly refuses?: (type: ResourceType, name: string, content: Uint8Array) => string | undefined;
  /** Endpoint and secret names of a cluster, route configurations of a listener; default: read from the message. */
  readonly namesIn?: (type: ResourceType, name: string, content: Uint8Array) => readonly string[];
}

type ResponseListener = () => void;

interface RequestFields {
  readonly resourceNamesSubscribe?: string[];
  readonly resourceNamesUnsubscribe?: string[];
  readonly initialResourceVersions?: Record<string, string>;
  readonly responseNonce?: string;
  readonly errorDetail?: { code: number; message: string };
}

const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

export class FakeProxy {
  readonly received: ReceivedResponse[] = [];
  /** Name to version, as acknowledged. */
  readonly versions: Readonly<Record<ResourceType, Map<string, string>>>;
  readonly #options: FakeProxyOptions;
  readonly #client: Client;
  readonly #listeners = new Set<ResponseListener>();
  readonly #follows = { eds: new Map<string, string>(), rds: new Map<string, readonly string[]>() };
  #call: ClientDuplexStream<DeltaDiscoveryRequest, Buffer> | undefined;
  #isNodeSent = false;

  constructor(options: FakeProxyOptions) {
    this.#options = options;
    const channel = { "grpc.max_receive_message_length": -1, "grpc.use_local_subchannel_pool": 1, "grpc.initial_reconnect_backoff_ms": 20 };
    this.#client = new Client(`unix:${options.socketPath}`, credentials.createInsecure(), channel);
    this.versions = { cds: new Map(), eds: new Map(), lds: new Map(), rds: new Map(), sds: new Map(), ecds: new Map(), rtds: new Map() };
  }

  /** Opens the stream; what was received before is told as Envoy does after a reconnect. */
  connect(): void {
    const write = (request: DeltaDiscoveryRequest) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request));
    const call = this.#client.makeBidiStreamRequest(path, write, (bytes: Buffer) => bytes);
    this.#call = call;
    this.#isNodeSent = false;
    call.on("error", () => {});
    call.on("data", (bytes: Buffer) => this.#receive(bytes));
    for (const type of resourceTypes) this.#firstRequest(type);
  }

  /** Ends the stream and forgets nothing. */
  disconnect(): void {
    this.#call?.cancel();
    this.#call = undefined;
  }

  /** Stops reading from the stream, as a stuck proxy does. */
  pause(): void {
    this.#call?.pause();
  }

  resume(): void {
    this.#call?.resume();
  }

  close(): void {
    this.disconnect();
    this.#client.close();
  }

  /** Calls back after each answer; returns the function that ends it. */
  onAnswer(listener: ResponseListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Bytes received in responses so far. */
  get receivedBytes(): number {
    return this.received.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  #firstRequest(type: ResourceType): void {
    const isByName = type !== "cds" && type !== "lds";
    const names = type === "rtds" ? [runtimeLayerName] : isByName ? [...this.versions[type].keys()] : [];
    if (type !== "rtds" && isByName && names.length === 0) return;
    this.#send(type, { resourceNamesSubscribe: names, initialResourceVersions: Object.fromEntries(this.versions[type]) });
  }

  #receive(bytes: Buffer): void {
    const response = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    const type = resourceTypeOf(response.typeUrl);
    if (type === undefined) return;
    const names = response.resources.map(({ name }) => name);
    const entry: ReceivedResponse = { type, names, removed: response.removedResources, sizeBytes: bytes.length, answeredAt: undefined };
    this.received.push(entry);
    const delay = this.#options.answerDelayMs?.(type) ?? 0;
    if (delay === 0) this.#answer(type, response, entry);
    else setTimeout(() => this.#answer(type, response, entry), delay);
  }

  #answer(type: ResourceType, response: DeltaDiscoveryResponse, entry: ReceivedResponse): void {
    const refusals = response.resources.flatMap(({ name, resource }) => {
      const why = this.#options.refuses?.(type, name, resource?.value ?? new Uint8Array());
      return why === undefined ? [] : [why];
    });
    if (refusals.length > 0) {
      this.#send(type, { responseNonce: response.nonce, errorDetail: { code: 13, message: refusals.join("\n") } });
    } else {
      this.#apply(type, response);
      this.#send(type, { responseNonce: response.nonce });
    }
    entry.answeredAt = performance.now();
    for (const listener of [...this.#listeners]) listener();
  }

  #apply(type: ResourceType, response: DeltaDiscoveryResponse): void {
    const versions = this.versions[type];
    for (const { name, version } of response.resources) versions.set(name, version);
    for (const name of response.removedResources) versions.delete(name);
    if (type === "cds") this.#followClusters(response);
    if (type === "lds") this.#followListeners(response);
  }

  #followClusters(response: DeltaDiscoveryResponse): void {
    const fresh: string[] = [];
    for (const { name, resource } of response.resources) {
      const [endpoints] = this.#namesIn("cds", name, resource?.value);
      if (endpoints === undefined || this.#follows.eds.has(name)) continue;
      this.#follows.eds.set(name, endpoints);
      fresh.push(endpoints);
    }
    const gone = response.removedResources.flatMap((name) => this.#follows.eds.get(name) ?? []);
    for (const name of response.removedResources) this.#follows.eds.delete(name);
    for (const name of gone) this.versions.eds.delete(name);
    if (fresh.length > 0 || gone.length > 0) this.#send("eds", { resourceNamesSubscribe: fresh, resourceNamesUnsubscribe: gone });
  }

  #followListeners(response: DeltaDiscoveryResponse): void {
    const before = new Set([...this.#follows.rds.values()].flat());
    for (const name of response.removedResources) this.#follows.rds.delete(name);
    for (const { name, resource } of response.resources) this.#follows.rds.set(name, this.#namesIn("lds", name, resource?.value));
    const after = new Set([...this.#follows.rds.values()].flat());
    const fresh = [...after].filter((name) => !before.has(name));
    const gone = [...before].filter((name) => !after.has(name));
    for (const name of gone) this.versions.rds.delete(name);
    if (fresh.length > 0 || gone.length > 0) this.#send("rds", { resourceNamesSubscribe: fresh, resourceNamesUnsubscribe: gone });
  }

  #namesIn(type: ResourceType, name: string, content: Uint8Array = new Uint8Array()): readonly string[] {
    return (this.#options.namesIn ?? namesIn)(type, name, content);
  }

  #send(type: ResourceType, fields: RequestFields): void {
    const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls[type], ...fields });
    if (!this.#isNodeSent) request.node = create(NodeSchema, { id: this.#options.nodeId ?? basename(this.#options.socketPath, ".sock") });
    this.#isNodeSent = true;
    this.#call?.write(request);
  }
}

/** What Envoy would ask for after a cluster or listener. */
export function namesIn(type: ResourceType, name: string, content: Uint8Array): readonly string[] {
  if (type === "cds") {
    const { edsClusterConfig } = fromBinary(ClusterSchema, content);
    return edsClusterConfig === undefined ? [] : [edsClusterConfig.serviceName === "" ? name : edsClusterConfig.serviceName];
  }
  const { filterChains, defaultFilterChain } = fromBinary(ListenerSchema, content);
  const chains = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(({ filters }) =>
    filters.flatMap(({ configType }) => {
      if (configType.case !== "typedConfig" || !configType.value.typeUrl.endsWith("HttpConnectionManager")) return [];
      const { routeSpecifier } = fromBinary(HttpConnectionManagerSchema, configType.value.value);
      return routeSpecifier.case === "rds" ? [routeSpecifier.value.routeConfigName] : [];
    }),
  );
}
