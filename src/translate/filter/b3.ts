// Zipkin's trace headers (B3) beside W3C's: Envoy's OpenTelemetry tracer reads and writes traceparent only. Before tracing looks at a request its
// B3 headers become a traceparent, and applications get both kinds, so that those that pass only one of them on keep their trace together.
// Source: openzipkin/b3-propagation; what was tried and measured: docs/decisions/022-traces.md.

import type { HeaderMutationJson } from "#envoy/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js";
import type { HeaderValueOptionJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import type { TypedExtensionConfigJson } from "#envoy/envoy/config/core/v3/extension_pb.js";
import type { RequestIDExtensionJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { HeaderMutationSchema } from "#envoy/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js";
import { UuidRequestIdConfigSchema } from "#envoy/envoy/extensions/request_id/uuid/v3/uuid_pb.js";
import { any } from "../../envoy/any.ts";

/** Only there while the headers are read. A client that sends it does as if it sent a traceparent. Each mutation costs each request, so there are few. */
const scratch = "x-lateen-b3";

const header = (name: string): string => `request.headers['${name}']`;
const has = (name: string): string => `'${name}' in request.headers`;
// Envoy allows CEL only small regular expressions: lengths are compared.
const isHex = (name: string): string => `${header(name)}.matches('^[0-9a-f]+$')`;

type Action = NonNullable<HeaderValueOptionJson["appendAction"]>;

function set(key: string, value: string, appendAction: Action = "OVERWRITE_IF_EXISTS_OR_ADD"): HeaderMutationJson {
  // A value that comes out empty sets nothing.
  return { append: { header: { key, value }, appendAction } };
}

/**
 * A traceparent of other headers: CEL says whether they are sound, and a part of the text; Envoy's CEL can't join texts, so that a format
 * does, which is used only where the part is there.
 */
function traceparentOf(expression: string, format: string): readonly HeaderMutationJson[] {
  return [
    set(scratch, `%CEL(${expression})%`),
    set(scratch, format, "OVERWRITE_IF_EXISTS"),
    set("traceparent", `%REQ(${scratch})%`, "ADD_IF_ABSENT"),
  ];
}

/** x-b3-traceid of 16 or 32 digits; x-b3-sampled or else x-b3-flags (debug: sampled) is 0 or 1. */
const ofMany = traceparentOf(
  [
    `${has("x-b3-traceid")} && ${has("x-b3-spanid")} && !(${has("traceparent")})`,
    `size(${header("x-b3-spanid")}) == 16 && ${isHex("x-b3-spanid")} && ${isHex("x-b3-traceid")}`,
    `(${has("x-b3-sampled")} ? ${header("x-b3-sampled")} in ['0', '1'] : ${has("x-b3-flags")} && ${header("x-b3-flags")} == '1')`,
    `size(${header("x-b3-traceid")}) in [16, 32] ? (size(${header("x-b3-traceid")}) == 16 ? '00-0000000000000000' : '00-') : ''`,
  ].join(" && "),
  `%REQ(${scratch})%%REQ(x-b3-traceid)%-%REQ(x-b3-spanid)%-0%REQ(x-b3-sampled?x-b3-flags)%`,
);

/** `b3: <32 digits>-<16 digits>[-<0, 1 or d>[-<parent>]]`; whoever doesn't say whether the trace is sampled wants it to be. */
const ofOne = traceparentOf(
  [
    `${has("b3")} && !(${has("traceparent")}) && size(${header("b3")}) in [49, 51, 68] && ${header("b3")}.matches('^[0-9a-f-]+$')`,
    `${header("b3")}.matches('-[0-9a-f]+-?') ? (${header("b3")}.matches('-0(-|$)') ? '00' : '01') : ''`,
  ].join(" && "),
  `00-%REQ(b3):49%-%REQ(${scratch})%`,
);

/**
 * Envoy 1.40 decides at each proxy anew whether a request is traced (by x-request-id, which applications may not pass on) and overrules what the
 * traceparent says. Whoever comes with a sampled trace goes on being traced: to Envoy it is a client that asks for it.
 */
const keepSampled: HeaderMutationJson = set(
  "x-client-trace-id",
  `%CEL(${has("traceparent")} && ${header("traceparent")}.endsWith('01') ? '1' : '')%`,
);

/**
 * The same without CEL, which costs each request 6,000 instructions: whoever comes with a trace asks for one, and then the traceparent says whether it
 * is sampled. Envoy would note in x-request-id that a client asked, and whoever gets only that would trace everything: see `traceRequestId`.
 */
const keepDecided: HeaderMutationJson = set("x-client-trace-id", "%REQ(traceparent)%");

/** For HttpConnectionManager.early_header_mutation_extensions: sampled traces stay so, and where B3 is read it becomes W3C if there is no W3C. */
export function traceHeaders({ b3 }: { readonly b3: boolean }): TypedExtensionConfigJson {
  const mutations = b3 ? [...ofOne, ...ofMany, { remove: scratch }, keepSampled] : [keepDecided];
  return { name: "envoy.http.early_header_mutation.header_mutation", typedConfig: any(HeaderMutationSchema, { mutations }) };
}

/**
 * For HttpConnectionManager.request_id_extension: the decision isn't noted in x-request-id, except for those who tell it by B3 (`b3Sampled`). Proxies that
 * get nothing but the same id decide alike all the same, since Envoy draws by it.
 */
export function traceRequestId({ b3 }: { readonly b3: boolean }): RequestIDExtensionJson | undefined {
  return b3 ? undefined : { typedConfig: any(UuidRequestIdConfigSchema, { packTraceReason: false }) };
}

function given(key: string, value: string): HeaderValueOptionJson {
  return { header: { key, value }, appendAction: "OVERWRITE_IF_EXISTS_OR_ADD" };
}

/**
 * Whether the request's trace is sampled, for the application: as the caller's proxy decided, and without one as this one did, which Envoy
 * writes into the request's id (the fifteenth character is 4 where it isn't traced).
 */
export const b3Sampled: HeaderValueOptionJson = given(
  "x-b3-sampled",
  `%CEL(${has("traceparent")} ? (${header("traceparent")}.endsWith('1') ? '1' : '0') : (${has("x-request-id")} && ${header("x-request-id")}.matches('^[0-9a-f]+-[0-9a-f]+-4') ? '0' : '1'))%`,
);

/** The proxy's span as parent of whatever the application does; read after `b3Sampled` was set. */
export const b3Parent: readonly HeaderValueOptionJson[] = [
  given("x-b3-traceid", "%TRACE_ID%"),
  given("x-b3-spanid", "%SPAN_ID%"),
  given("b3", "%TRACE_ID%-%SPAN_ID%-%REQ(x-b3-sampled)%"),
];
