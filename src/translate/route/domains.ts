// The names a virtual host answers to, as Istio gives them: FQDN, short names inside the cluster, virtual addresses. Ports are not
// written out: the route configuration ignores the port of the Host header (ignore_port_in_host_matching).

import { serviceAliases } from "../../api/hosts.ts";
import type { RouteClient, RouteHost } from "../../model/routes.ts";

/**
 * Domains for a client, without duplicates: the bare service name counts only inside the service's own namespace. A short name that
 * is another host's own name (`claimed`: a ServiceEntry for "rates.shop" beside a Service rates in shop) is left to that host, because
 * Envoy refuses the whole table when one domain stands in two virtual hosts.
 */
export function domains(host: RouteHost, client: RouteClient, claimed: ReadonlySet<string>): string[] {
  const names = host.hosts.map((name) => (name.includes(":") ? `[${name}]` : name));
  return [...new Set([...names, ...shortNames(host, client, claimed)])];
}

/** The short names that this client may use for a host. */
export function shortNames({ service }: RouteHost, client: RouteClient, claimed: ReadonlySet<string>): readonly string[] {
  const aliases = service === undefined ? [] : serviceAliases(service.name, service.namespace, client.namespace);
  return aliases.filter((alias) => !claimed.has(alias));
}

const claimedNames = new WeakMap<readonly RouteHost[], ReadonlySet<string>>();

/** All names that are some host's own. */
export function claimedBy(hosts: readonly RouteHost[]): ReadonlySet<string> {
  const known = claimedNames.get(hosts);
  if (known !== undefined) return known;
  const names = new Set(hosts.flatMap((host) => host.hosts));
  claimedNames.set(hosts, names);
  return names;
}
