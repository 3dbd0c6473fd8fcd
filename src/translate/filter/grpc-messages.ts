// How many messages a gRPC call had, by the filter state of grpc_stats → formats and filters. Envoy 1.40 prints both numbers in one text, and its CEL can't take
// them apart (strings have no functions there), only compare them: so the ordinary cases are compared, and the others are logged.

import type { AccessLogFilterJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { ExpressionFilterSchema } from "#envoy/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js";
import { any } from "../../envoy/any.ts";

const key = "envoy.filters.http.grpc_stats";
const state = `filter_state['${key}']`;

/** "<from the client>,<from the server>". */
export const messageCounts = `%FILTER_STATE(${key}:PLAIN)%`;

/** 1 for a call with one message each way or one that got no message, else 0. */
export const oneRequestMessage = `%CEL(${state} == b'1,1' || ${state} == b'1,0' ? 1 : 0)%`;
/** 1 for a call with one message each way, else 0. */
export const oneResponseMessage = `%CEL(${state} == b'1,1' ? 1 : 0)%`;

/** All other calls. */
export const hasManyMessages: AccessLogFilterJson = {
  extensionFilter: {
    name: "envoy.access_loggers.extension_filters.cel",
    typedConfig: any(ExpressionFilterSchema, { expression: `${state} != b'1,1' && ${state} != b'1,0' && ${state} != b'0,0'` }),
  },
};
