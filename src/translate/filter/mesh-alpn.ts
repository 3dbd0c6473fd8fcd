// The network filter that tells the server's proxy "no HTTP inside" → Envoy's set_filter_state.

import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { ConfigSchema } from "#envoy/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js";
import { any } from "../../envoy/any.ts";
import { meshAlpn } from "../../envoy/names.ts";

/**
 * For connections that aren't HTTP to a cluster whose TLS says that they are: what they offer instead. Without TLS it does nothing. Envoy
 * reads this object when it opens the upstream connection (ApplicationProtocols in its filter state).
 */
export const streamAlpnFilter: FilterJson = {
  name: "envoy.filters.network.set_filter_state",
  typedConfig: any(ConfigSchema, {
    onNewConnection: [
      {
        objectKey: "envoy.network.application_protocols",
        formatString: { textFormatSource: { inlineString: meshAlpn } },
        sharedWithUpstream: "ONCE",
      },
    ],
  }),
};
