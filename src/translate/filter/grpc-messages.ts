// How many messages a gRPC call had, by the filter state of grpc_stats → formats and filters. Envoy 1.40 prints both numbers in one text, and its CEL can't take
// them apart (strings have no functions there), only compare them: so the ordinary cases are compared, and the others are logged.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { AccessLogFilterJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { FilterConfigSchema } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { ExpressionFilterSchema } from "#envoy/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js";
import { any } from "../../envoy/any.ts";

/** The filter that counts them, and the name under which it says how many. It costs every request that passes it. */
export const messageCountsFilter = "envoy.filters.http.grpc_stats";
const state = `filter_state['${messageCountsFilter}']`;

/** typed_per_filter_config of a virtual host whose requests have no messages. */
export const withoutMessageCounts: Readonly<Record<string, AnyJson>> = {
  [messageCountsFilter]: any(FilterConfigSchema, { disabled: true }),
};

/** "<from the client>,<from the server>". */
export const messageCounts = `%FILTER_STATE(${messageCountsFilter}:PLAIN)%`;

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
