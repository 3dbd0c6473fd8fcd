// `fault` of an http route → Envoy's HTTPFault, which travels as the route's per-filter configuration.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { FaultDelayJson } from "#envoy/envoy/extensions/filters/common/fault/v3/fault_pb.js";
import type { FaultAbortJson, HTTPFaultJson } from "#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import { HTTPFaultSchema } from "#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import { delayPercentOf } from "../../api/networking/destinations.ts";
import type { HttpFaultAbort, HttpFaultDelay, HttpRoute } from "../../api/networking/virtual-service.ts";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import { protoDuration } from "../../lib/duration.ts";
import { fractionalPercent } from "./fractional-percent.ts";

/** The filter's name in the HTTP filter chain. */
export const faultFilterName = "envoy.filters.http.fault";

/** Codes of gRPC, by name (grpc/grpc doc/statuscodes.md). */
const grpcStatusCodes: ReadonlyMap<string, number> = new Map(
  [
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED",
  ]
    .join(" ")
    .split(" ")
    .map((name, code) => [name, code]),
);

/** Per-filter configuration of the fault filter; undefined when neither a delay nor an abort is asked for. */
export function httpFault(fault: HttpRoute["fault"]): AnyJson | undefined {
  const delay = fault?.delay === undefined ? undefined : faultDelay(fault.delay);
  const abort = fault?.abort === undefined ? undefined : faultAbort(fault.abort);
  if (delay === undefined && abort === undefined) return undefined;
  return any(HTTPFaultSchema, defined<HTTPFaultJson>({ delay, abort }));
}

function faultDelay(delay: HttpFaultDelay): FaultDelayJson | undefined {
  if (delay.fixedDelay === undefined) return undefined;
  return {
    fixedDelay: protoDuration(delay.fixedDelay),
    percentage: fractionalPercent(delayPercentOf(delay)),
  };
}

/** Without a percentage no request is aborted (HTTPFaultInjection.Abort.percentage). */
function faultAbort(abort: HttpFaultAbort): FaultAbortJson | undefined {
  const grpcStatus = abort.grpcStatus === undefined ? undefined : grpcStatusCode(abort.grpcStatus);
  if (abort.httpStatus === undefined && grpcStatus === undefined) return undefined;
  return defined<FaultAbortJson>({
    httpStatus: abort.httpStatus,
    grpcStatus: abort.httpStatus === undefined ? grpcStatus : undefined,
    percentage: fractionalPercent(abort.percentage?.value ?? 0),
  });
}

/** The number of a gRPC status given by name or number; undefined when there is no such status. */
function grpcStatusCode(status: string): number | undefined {
  return grpcStatusCodes.get(status.toUpperCase()) ?? [...grpcStatusCodes.values()].find((code) => String(code) === status);
}
