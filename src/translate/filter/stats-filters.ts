// Conditions on requests that choose which logger counts one → Envoy's access log filters. Every request meets exactly one of each pair, also one whose
// headers Envoy couldn't read.

import type { AccessLogFilterJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";
import { mirrorBaggagePattern, mirrorHeader } from "../../telemetry/proxy-reports.ts";

/** All of them. */
export function and(...filters: readonly [AccessLogFilterJson, AccessLogFilterJson, ...AccessLogFilterJson[]]): AccessLogFilterJson {
  return { andFilter: { filters: filters.flatMap((filter) => filter.andFilter?.filters ?? [filter]) } };
}

function or(...filters: readonly [AccessLogFilterJson, AccessLogFilterJson, ...AccessLogFilterJson[]]): AccessLogFilterJson {
  return { orFilter: { filters: [...filters] } };
}

function header(name: string, stringMatch: StringMatcherJson): AccessLogFilterJson {
  return { headerFilter: { header: { name, stringMatch } } };
}

/** A missing header doesn't hold the value either. */
function noHeader(name: string, stringMatch: StringMatcherJson): AccessLogFilterJson {
  return { headerFilter: { header: { name, stringMatch, invertMatch: true, treatMissingHeaderAsEmpty: true } } };
}

function hasHeader(name: string): AccessLogFilterJson {
  return { headerFilter: { header: { name, presentMatch: true } } };
}

/**
 * False for most requests, which are GETs. One that sends a body says its length or what it is, or that the connection becomes another protocol's; a chunked
 * body by itself isn't seen, since Envoy takes `transfer-encoding` off at once, and HTTP/2 needs no header at all (telemetry/bodiless-requests.ts).
 */
export const mayHaveBody: AccessLogFilterJson = or(
  noHeader(":method", { exact: "GET" }),
  hasHeader("content-length"),
  hasHeader("content-type"),
  hasHeader("upgrade"),
);

/**
 * One look at the content type: each costs every request. gRPC-Web begins alike, and is told apart by what has no gRPC status (telemetry/expand-tags.ts).
 */
const grpc: StringMatcherJson = { prefix: "application/grpc" };

export const isGrpc: AccessLogFilterJson = header("content-type", grpc);
export const isNotGrpc: AccessLogFilterJson = noHeader("content-type", grpc);

/** The beginning of every member by which gateways name users (model/releases/cohort.ts); one of any release will do. */
const userNamed: StringMatcherJson = { contains: "lateen-" };

export const isTold: AccessLogFilterJson = header("baggage", userNamed);
export const isUntold: AccessLogFilterJson = noHeader("baggage", userNamed);

const marked: StringMatcherJson = { safeRegex: { regex: mirrorBaggagePattern } };

/** A copy bears the header; what applications ask for while they handle it bears the header or the baggage, if they pass it on. */
export const isCopy: AccessLogFilterJson = or(header(mirrorHeader, { exact: "1" }), header("baggage", marked));
/** Most requests have no baggage: then the expression isn't asked. */
export const isNoCopy: AccessLogFilterJson = and(
  noHeader(mirrorHeader, { exact: "1" }),
  or({ headerFilter: { header: { name: "baggage", presentMatch: false } } }, noHeader("baggage", marked)),
);
