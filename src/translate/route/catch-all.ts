// What a sidecar does with requests for hosts nobody declared → the virtual host "*", named as Istio names it.

import type { DirectResponseActionJson, RouteActionJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { defined } from "../../envoy/defined.ts";
import { allowAnyVirtualHostName, blockAllVirtualHostName, passthroughClusterName } from "../../envoy/names.ts";
import type { RouteTable } from "../../model/routes.ts";
import { refusedService, serviceMetadata } from "../service-text.ts";
import { nameClaims } from "./domains.ts";
import { anyRequest } from "./match.ts";
import type { RouteSettings } from "./settings.ts";
import { timeouts } from "./timeouts.ts";

/** ALLOW_ANY: on to where the connection was going; no timeout and no retry, for we know nothing of that server. */
const passthrough: RouteActionJson = { cluster: passthroughClusterName, ...timeouts(undefined) };

/** REGISTRY_ONLY: Istio's 502, and who reads the body learns what was refused and what would open it. */
const refusal: DirectResponseActionJson = {
  status: 502,
  bodyFormat: {
    textFormatSource: {
      inlineString:
        "%REQ(:AUTHORITY)% is no host of the mesh, and outboundTrafficPolicy is REGISTRY_ONLY: a ServiceEntry for this host would open it" +
        " (`lateen egress blocked -o yaml` writes it)\n",
    },
    contentType: "text/plain",
  },
};

/** Refuses every host. */
export const blockAllVirtualHost: VirtualHostJson = {
  name: blockAllVirtualHostName,
  domains: ["*"],
  metadata: { filterMetadata: serviceMetadata(refusedService) },
  routes: [{ name: blockAllVirtualHostName, match: anyRequest, directResponse: refusal }],
};

/**
 * The virtual host for unknown hosts; undefined where Envoy's own 404 is the answer (gateways), and where no host is unknown, because
 * one already answers to "*": behind the address of a service with undeclared protocol any name means that service.
 */
export function catchAllVirtualHost({ unknownHosts, hosts }: RouteTable, settings: RouteSettings): VirtualHostJson | undefined {
  if (unknownHosts === "not-found" || nameClaims(hosts).own.has("*")) return undefined;
  const allow = unknownHosts === "passthrough";
  const name = allow ? allowAnyVirtualHostName : blockAllVirtualHostName;
  const action = allow ? { route: passthrough } : { directResponse: refusal };
  return defined<VirtualHostJson>({
    name,
    domains: ["*"],
    metadata: allow ? undefined : { filterMetadata: serviceMetadata(refusedService) },
    routes: [{ name, match: anyRequest, ...action }],
    includeRequestAttemptCount: settings.includeRequestAttemptCount ? true : undefined,
  });
}
