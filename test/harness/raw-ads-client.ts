// A gRPC client that asks an ADS server for anything and keeps every byte of the answers: what a proxy that has been taken over would do.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, status as grpcStatus, Metadata, type StatusObject } from "@grpc/grpc-js";
import { NodeSchema } from "#envoy/envoy/config/core/v3/base_pb.js";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "#envoy/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceType } from "../../src/envoy/config.ts";
import { typeUrls } from "../../src/xds/resource-types.ts";
import { eventually } from "./eventually.ts";

export interface RawAdsOptions {
  /** "unix:/path" or "127.0.0.1:15012". */
  readonly target: string;
  /** CA certificates when the server speaks TLS; its name is not checked. */
  readonly rootsPem?: string;
  /** More headers, several values each. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
}

const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/** One stream; disposed of when the test is over. */
export class RawAdsClient implements Disposable {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<DeltaDiscoveryRequest, Buffer>;
  readonly #received: Buffer[] = [];
  #status: StatusObject | undefined;

  constructor({ target, rootsPem, headers = {} }: RawAdsOptions) {
    const trust =
      rootsPem === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(Buffer.from(rootsPem), null, null, { checkServerIdentity: () => undefined });
    this.#client = new Client(target, trust, {
      "grpc.ssl_target_name_override": "control-plane",
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      "grpc.enable_retries": 0,
    });
    const metadata = new Metadata();
    for (const [name, values] of Object.entries(headers)) for (const value of values) metadata.add(name, value);
    const write = (request: DeltaDiscoveryRequest) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request));
    this.#call = this.#client.makeBidiStreamRequest(path, write, (bytes: Buffer) => bytes, metadata);
    this.#call.on("error", () => {});
    this.#call.on("data", (bytes: Buffer) => this.#received.push(bytes));
    this.#call.on("status", (status) => {
      this.#status = status;
    });
  }

  /** Asks for names of a type, as a node when one is given; acknowledges nothing. */
  ask(type: ResourceType, names: readonly string[], nodeId?: string): void {
    const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls[type], resourceNamesSubscribe: [...names] });
    if (nodeId !== undefined) request.node = create(NodeSchema, { id: nodeId });
    this.#call.write(request);
  }

  /** Sends any request. */
  send(fields: { readonly typeUrl: string; readonly resourceNamesSubscribe?: string[] }): void {
    this.#call.write(create(DeltaDiscoveryRequestSchema, fields));
  }

  /** Name of the status the stream ended with; undefined while it is open. */
  get status(): string | undefined {
    return this.#status === undefined ? undefined : grpcStatus[this.#status.code];
  }

  /** What the server said to the status. */
  get details(): string {
    return this.#status?.details ?? "";
  }

  /** All responses' bytes as they came. */
  get bytes(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** Names of the resources received, and of those the server said don't exist with "-" in front. */
  get names(): readonly string[] {
    return this.#received.flatMap((bytes) => {
      const { resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
      return [...resources.map(({ name }) => name), ...removedResources.map((name) => `-${name}`)];
    });
  }

  /** Waits for the end of the stream; its status. */
  async ended(): Promise<string> {
    await eventually(() => this.#status !== undefined, 10_000, "the end of the stream");
    return this.status ?? "";
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#client.close();
  }
}
