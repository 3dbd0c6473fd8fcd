// What proxies report over the connection that brings their configuration: OTLP metrics, logs and spans, as bytes for whoever reads them. The connection is
// the sender's identity; what it says of itself isn't believed.

import { status as grpcStatus, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { BadInput, MeshError } from "../lib/errors.ts";
import type { Authenticate } from "./stream-identity.ts";

export type ExportSignal = "metrics" | "logs" | "traces";

/** Takes a report; what it throws refuses the report, a BadInput for good. */
export type TakeExport = (proxyId: string, signal: ExportSignal, bytes: Uint8Array) => void;

/** The collector services of OTLP/gRPC (opentelemetry-proto, collector/…/v1). */
const paths: Readonly<Record<ExportSignal, string>> = {
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
};

export type ExportCall = ServerUnaryCall<Buffer, Buffer>;

const asIs = (bytes: Buffer): Buffer => bytes;

/** The three methods as grpc-js wants them. */
export const exportMethods = {
  metrics: methodAt(paths.metrics),
  logs: methodAt(paths.logs),
  traces: methodAt(paths.traces),
} as const satisfies Readonly<Record<ExportSignal, ReturnType<typeof methodAt>>>;

function methodAt(path: string) {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const;
}

/** An Export…ServiceResponse without fields: everything was taken. */
const taken = Buffer.alloc(0);

/** Answers a report: who sent it is known before a byte of it is read. */
export function exportHandler(signal: ExportSignal, authenticate: Authenticate, take: TakeExport) {
  return (call: ExportCall, answer: sendUnaryData<Buffer>): void => {
    void Promise.resolve(authenticate(call)).then(
      (identity) => {
        if ("refused" in identity) return answer({ code: grpcStatus.UNAUTHENTICATED, details: "the caller is not a known proxy" });
        try {
          take(identity.proxyId, signal, call.request);
          answer(null, taken);
        } catch (error) {
          const { message } = MeshError.from(error);
          answer({ code: error instanceof BadInput ? grpcStatus.INVALID_ARGUMENT : grpcStatus.UNAVAILABLE, details: message });
        }
      },
      () => answer({ code: grpcStatus.UNAVAILABLE, details: "the caller can't be checked now" }),
    );
  };
}
