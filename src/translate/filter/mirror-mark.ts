// Who may say that a request is a copy: callers with a certificate of the mesh, and a sidecar's own application. Strangers' marks are taken off before
// anything reads them, since a request that is taken for a copy is missing among the users'.

import type { TypedExtensionConfigJson } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { ExtensionWithMatcherSchema } from "#envoy/envoy/extensions/common/matching/v3/extension_matcher_pb.js";
import { CompositeSchema, ExecuteFilterActionSchema } from "#envoy/envoy/extensions/filters/http/composite/v3/composite_pb.js";
import { HeaderMutationSchema } from "#envoy/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js";
import type { HttpFilterJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from "#envoy/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js";
import { HttpRequestHeaderMatchInputSchema } from "#envoy/envoy/type/matcher/v3/http_inputs_pb.js";
import { any } from "../../envoy/any.ts";
import { anyMirrorBaggagePattern, mirrorHeader } from "../../telemetry/proxy-reports.ts";

/** Where requests come from. */
export interface MarkPlace {
  readonly direction: "inbound" | "outbound" | "gateway";
  /** Inbound only: whether the client has shown a certificate of the mesh. */
  readonly isMutual?: boolean;
}

/** Whether marks of copies are believed. */
export function believesMarks({ direction, isMutual = false }: MarkPlace): boolean {
  return direction === "outbound" || (direction === "inbound" && isMutual);
}

/** Takes the header off. */
export const withoutMirrorHeader: TypedExtensionConfigJson = {
  name: "envoy.http.early_header_mutation.header_mutation",
  typedConfig: any(EarlyHeaderMutationSchema, { mutations: [{ remove: mirrorHeader }] }),
};

/** Takes the whole `baggage` off where it has the mark: nobody but us writes that member, so nobody else's is lost. */
export const withoutMirrorBaggage: HttpFilterJson = {
  name: "lateen.mirror_mark",
  typedConfig: any(ExtensionWithMatcherSchema, {
    extensionConfig: { name: "envoy.filters.http.composite", typedConfig: any(CompositeSchema, {}) },
    xdsMatcher: {
      matcherList: {
        matchers: [
          {
            predicate: {
              singlePredicate: {
                input: { name: "baggage", typedConfig: any(HttpRequestHeaderMatchInputSchema, { headerName: "baggage" }) },
                valueMatch: { safeRegex: { regex: anyMirrorBaggagePattern, googleRe2: {} } },
              },
            },
            onMatch: { action: { name: "remove", typedConfig: any(ExecuteFilterActionSchema, { typedConfig: withoutBaggage() }) } },
          },
        ],
      },
    },
  }),
};

function withoutBaggage(): TypedExtensionConfigJson {
  return {
    name: "envoy.filters.http.header_mutation",
    typedConfig: any(HeaderMutationSchema, { mutations: { requestMutations: [{ remove: "baggage" }] } }),
  };
}
