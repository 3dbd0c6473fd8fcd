// The gRPC services for proxies: delta ADS, how its one method is read and written, what they report, and the limits of their connections.

import type { Duplex } from "node:stream";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { decodeDeltaRequest, encodeDeltaResponse } from "./delta-wire.ts";
import { exportHandler, exportMethods, type TakeExport } from "./proxy-exports.ts";
import type { AdsCall, Authenticate } from "./stream-identity.ts";

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
  /** A proxy has one stream, and another for a moment after it reconnected; the rest are reports, each a stream of its own. */
  "grpc.max_concurrent_streams": 32,
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

export interface GrpcServiceOptions {
  /** Gets each ADS stream, of which nothing is read before it listens for data. */
  readonly serve: (call: AdsCall) => void;
  /** Who reports; ADS streams are checked by `serve`. */
  readonly authenticate: Authenticate;
  /** Reports are refused as unimplemented without it. */
  readonly onExport?: TakeExport | undefined;
}

/** A gRPC server without a port of its own. */
export function newGrpcService({ serve, authenticate, onExport }: GrpcServiceOptions): GrpcService {
  const server = new Server(serverOptions);
  server.addService({ delta: deltaMethod }, { delta: serve });
  if (onExport !== undefined) {
    const handler = (signal: Parameters<typeof exportHandler>[0]) => exportHandler(signal, authenticate, onExport);
    server.addService(exportMethods, { metrics: handler("metrics"), logs: handler("logs"), traces: handler("traces") });
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return { accept: (connection) => injector.injectConnection(connection), close: () => server.forceShutdown() };
}
