// The gRPC service of delta ADS: how its one method is read and written, and the limits of its connections.

import type { Duplex } from "node:stream";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { decodeDeltaRequest, encodeDeltaResponse } from "./delta-wire.ts";
import type { AdsCall } from "./stream-identity.ts";

const deltaMethod = {
  path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
  requestStream: true,
  responseStream: true,
  requestSerialize: () => Buffer.alloc(0),
  requestDeserialize: decodeDeltaRequest,
  responseSerialize: encodeDeltaResponse,
  responseDeserialize: () => undefined,
} as const;

const serverOptions = {
  /** A delta reconnect lists every version it has: about a megabyte in a mesh of 10,000 clusters. */
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
  "grpc.max_send_message_length": -1,
  /** A proxy has one stream, and another for a moment after it reconnected. */
  "grpc.max_concurrent_streams": 8,
  /** Finds dead peers. */
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  /** A connection without a stream is nobody's. */
  "grpc.max_connection_idle_ms": 60_000,
  "grpc.enable_channelz": 0,
} as const;

export interface GrpcService {
  /** Serves a connection that speaks HTTP/2. */
  accept(connection: Duplex): void;
  /** Ends all streams and connections. */
  close(): void;
}

/** A gRPC server without a port of its own; `serve` gets each stream, of which nothing is read before it listens for data. */
export function newGrpcService(serve: (call: AdsCall) => void): GrpcService {
  const server = new Server(serverOptions);
  server.addService({ delta: deltaMethod }, { delta: serve });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return { accept: (connection) => injector.injectConnection(connection), close: () => server.forceShutdown() };
}
