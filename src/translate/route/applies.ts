// Which match blocks of a route concern a given proxy: the conditions that Envoy can't see, decided before the route is built.

import { namespacedName } from "../../api/hosts.ts";
import type { HttpMatchRequest } from "../../api/networking/virtual-service.ts";
import { meshGateway } from "../../api/networking/virtual-service.ts";
import type { RouteClient, RouteRule } from "../../model/routes.ts";

/**
 * Whether the block's `port`, `gateways`, `sourceLabels` and `sourceNamespace` let requests of this client at this port through.
 * A block that names gateways is judged by them alone; its source conditions don't count (Istio's rule).
 */
export function applies(match: HttpMatchRequest, rule: RouteRule, at: { readonly port: number; readonly client: RouteClient }): boolean {
  if (match.port !== undefined && match.port !== 0 && match.port !== at.port) return false;
  if (match.gateways.length > 0) return match.gateways.some((name) => gatewayName(name, rule) === rule.gateway);
  const labelsHold = Object.entries(match.sourceLabels).every(([name, value]) => at.client.labels[name] === value);
  return labelsHold && (!match.sourceNamespace || match.sourceNamespace === at.client.namespace);
}

/** Whether the answer of `applies` depends on who asks. */
export function dependsOnClient(match: HttpMatchRequest): boolean {
  return match.gateways.length === 0 && (Object.keys(match.sourceLabels).length > 0 || Boolean(match.sourceNamespace));
}

/** "<namespace>/<name>"; a name without namespace is of the VirtualService's own. */
function gatewayName(reference: string, rule: RouteRule): string {
  if (reference === meshGateway) return reference;
  const { namespace, name } = namespacedName(reference, rule.virtualService.metadata.namespace);
  return `${namespace}/${name}`;
}
