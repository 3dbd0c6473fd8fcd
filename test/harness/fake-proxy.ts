// A delta ADS client that subscribes and acknowledges as Envoy does: RTDS first, wildcard CDS and LDS, EDS by name after CDS,
// RDS and ECDS by name from listeners, SDS by name from both. For feature tests and benches with many proxies; keeps versions, not contents.

import { basename } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { type Cluster, ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { NodeSchema, type TransportSocket } from "#envoy/envoy/config/core/v3/base_pb.js";
import { type Listener, ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "#envoy/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceReference, ResourceType } from "../../src/envoy/config.ts";
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
  /** What a cluster or listener makes the proxy ask for; default: read from the message. */
  readonly namesIn?: (type: ResourceType, name: string, content: Uint8Array) => readonly ResourceReference[];
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
  /** By "<type> <name>" of a cluster or listener. */
  readonly #named = new Map<string, readonly ResourceReference[]>();
  /** How many clusters and listeners name a resource. */
  readonly #uses: Readonly<Record<FollowedType, Map<string, number>>> = { eds: new Map(), sds: new Map(), ecds: new Map(), rds: new Map() };
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
    if (type === "cds" || type === "lds") this.#follow(type, response);
  }

  /** Asks for what is named for the first time, and ends what nothing names any more. */
  #follow(type: "cds" | "lds", response: DeltaDiscoveryResponse): void {
    const fresh = new Map<FollowedType, string[]>();
    const replaced: ResourceReference[] = [];
    const takeOver = (name: string, next: readonly ResourceReference[]) => {
      replaced.push(...(this.#named.get(`${type} ${name}`) ?? []));
      this.#named.set(`${type} ${name}`, next);
      for (const reference of next) {
        if (this.#count(reference, 1) === 1 && isFollowed(reference.type)) add(fresh, reference.type, reference.name);
      }
    };
    for (const { name, resource } of response.resources) takeOver(name, this.#namesIn(type, name, resource?.value));
    for (const name of response.removedResources) takeOver(name, []);
    const gone = new Map<FollowedType, string[]>();
    for (const reference of replaced) {
      if (this.#count(reference, -1) === 0 && isFollowed(reference.type)) add(gone, reference.type, reference.name);
    }
    for (const followed of followedTypes) {
      const subscribe = fresh.get(followed) ?? [];
      const unsubscribe = gone.get(followed) ?? [];
      for (const name of unsubscribe) this.versions[followed].delete(name);
      const isAnything = subscribe.length > 0 || unsubscribe.length > 0;
      if (isAnything) this.#send(followed, { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe });
    }
  }

  #count({ type, name }: ResourceReference, change: number): number {
    if (!isFollowed(type)) return 0;
    const count = (this.#uses[type].get(name) ?? 0) + change;
    if (count === 0) this.#uses[type].delete(name);
    else this.#uses[type].set(name, count);
    return count;
  }

  #namesIn(type: ResourceType, name: string, content: Uint8Array = new Uint8Array()): readonly ResourceReference[] {
    return (this.#options.namesIn ?? namesIn)(type, name, content);
  }

  #send(type: ResourceType, fields: RequestFields): void {
    const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls[type], ...fields });
    if (!this.#isNodeSent) request.node = create(NodeSchema, { id: this.#options.nodeId ?? basename(this.#options.socketPath, ".sock") });
    this.#isNodeSent = true;
    this.#call?.write(request);
  }
}

type FollowedType = "eds" | "sds" | "ecds" | "rds";

const followedTypes: readonly FollowedType[] = ["eds", "sds", "ecds", "rds"];

function isFollowed(type: ResourceType): type is FollowedType {
  return type === "eds" || type === "sds" || type === "ecds" || type === "rds";
}

function add(lists: Map<FollowedType, string[]>, type: FollowedType, name: string): void {
  const list = lists.get(type);
  if (list === undefined) lists.set(type, [name]);
  else list.push(name);
}

/** What Envoy would ask for after a cluster or listener, each name once. */
export function namesIn(type: ResourceType, name: string, content: Uint8Array): readonly ResourceReference[] {
  const all =
    type === "cds" ? namesInCluster(name, fromBinary(ClusterSchema, content)) : namesInListener(fromBinary(ListenerSchema, content));
  return [...new Map(all.map((reference) => [`${reference.type} ${reference.name}`, reference])).values()];
}

function namesInCluster(
  name: string,
  { edsClusterConfig, transportSocket, transportSocketMatches }: Cluster,
): readonly ResourceReference[] {
  const sockets = [transportSocket, ...transportSocketMatches.map((match) => match.transportSocket)];
  const secrets = sockets.flatMap((socket) => secretsIn(socket, (bytes) => fromBinary(UpstreamTlsContextSchema, bytes)));
  if (edsClusterConfig === undefined) return secrets;
  return [{ type: "eds", name: edsClusterConfig.serviceName === "" ? name : edsClusterConfig.serviceName }, ...secrets];
}

function namesInListener({ filterChains, defaultFilterChain }: Listener): readonly ResourceReference[] {
  const chains = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(({ filters, transportSocket }) => [
    ...secretsIn(transportSocket, (bytes) => fromBinary(DownstreamTlsContextSchema, bytes)),
    ...filters.flatMap(({ name, configType }): readonly ResourceReference[] => {
      if (configType.case === "configDiscovery") return [{ type: "ecds", name }];
      if (configType.case !== "typedConfig" || !configType.value.typeUrl.endsWith("HttpConnectionManager")) return [];
      const { routeSpecifier, httpFilters } = fromBinary(HttpConnectionManagerSchema, configType.value.value);
      return [
        ...(routeSpecifier.case === "rds" ? [{ type: "rds", name: routeSpecifier.value.routeConfigName } as const] : []),
        ...httpFilters.flatMap((filter) =>
          filter.configType.case === "configDiscovery" ? [{ type: "ecds", name: filter.name } as const] : [],
        ),
      ];
    }),
  ]);
}

function secretsIn(
  socket: TransportSocket | undefined,
  read: (bytes: Uint8Array) => { readonly commonTlsContext?: CommonTlsContext | undefined },
): readonly ResourceReference[] {
  if (socket?.configType.case !== "typedConfig" || !socket.configType.value.typeUrl.endsWith("TlsContext")) return [];
  const { commonTlsContext } = read(socket.configType.value.value);
  if (commonTlsContext === undefined) return [];
  const { tlsCertificateSdsSecretConfigs, validationContextType } = commonTlsContext;
  const trusted =
    validationContextType.case === "combinedValidationContext"
      ? validationContextType.value.validationContextSdsSecretConfig
      : validationContextType.case === "validationContextSdsSecretConfig"
        ? validationContextType.value
        : undefined;
  return [...tlsCertificateSdsSecretConfigs, ...(trusted === undefined ? [] : [trusted])].map(({ name }) => ({ type: "sds", name }));
}
