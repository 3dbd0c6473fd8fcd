// Network filters that refuse a connection and say why, in the access log (connection termination details) and in a metric.

import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { RBACSchema } from "#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.js";
import { any } from "../../envoy/any.ts";
import { blackHoleClusterName } from "../../envoy/names.ts";
import { durationMs } from "../../lib/duration.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { refusedService } from "../service-text.ts";
import { tcpProxyFilter } from "./tcp-proxy.ts";

export interface Refusal {
  /** One word; the policy that the access log and metrics name. */
  readonly reason: string;
  readonly settings: MeshSettings;
}

/**
 * The filters. Envoy's RBAC decides at the client's first byte, so the TCP proxy behind it, which leads nowhere, waits for one too: otherwise
 * it would close first, with a reason of its own. Clients that wait for the server's first byte are cut off after a second.
 */
export function refusal({ reason, settings }: Refusal): FilterJson[] {
  const rules = { action: "DENY" as const, policies: { [reason]: { principals: [{ any: true }], permissions: [{ any: true }] } } };
  return [
    { name: "lateen.refusal", typedConfig: any(RBACSchema, { statPrefix: `tcp.inbound.${reason}`, rules }) },
    tcpProxyFilter({
      cluster: blackHoleClusterName,
      statPrefix: `refused.${reason}`,
      connectsAfter: "first-byte",
      inbound: { service: refusedService, isMutual: false },
      settings,
      limits: refusalLimits,
    }),
  ];
}

const refusalLimits = { idleTimeout: undefined, maxConnectionDuration: durationMs(1000) };
