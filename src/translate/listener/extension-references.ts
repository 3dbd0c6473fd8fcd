// A listener → the extension resources (ECDS) that its filters ask for by name: it warms until they come, and counts as acknowledged with them.

import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import type { ResourceReference } from "../../envoy/config.ts";

/** Every filter with config_discovery, at any depth; the filter's name is the resource's. */
export function extensionReferences(listener: ListenerJson): readonly ResourceReference[] {
  const names = new Set<string>();
  collect([...(listener.filterChains ?? []), listener.defaultFilterChain], names);
  return [...names].map((name) => ({ type: "ecds", name }));
}

function collect(value: unknown, names: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  if ("configDiscovery" in value && "name" in value && typeof value.name === "string") names.add(value.name);
  for (const child of Object.values(value)) collect(child, names);
}
