// Which clusters a virtual host names: what must be usable on the proxy before the virtual host may be sent.

import type { RouteActionJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";

/** Every cluster of every route, mirrors included; with duplicates. */
export function clustersOf(virtualHost: VirtualHostJson): string[] {
  return (virtualHost.routes ?? []).flatMap(({ route }) => (route === undefined ? [] : clustersOfAction(route)));
}

function clustersOfAction(action: RouteActionJson): string[] {
  const members = (action.weightedClusters?.clusters ?? []).map(({ name }) => name);
  const mirrors = (action.requestMirrorPolicies ?? []).map(({ cluster }) => cluster);
  return [action.cluster, ...members, ...mirrors].flatMap((name) => name ?? []);
}
