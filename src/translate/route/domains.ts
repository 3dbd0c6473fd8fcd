// The names a virtual host answers to, as Istio gives them: FQDN, short names inside the cluster, virtual addresses. Ports are not
// written out: the route configuration ignores the port of the Host header (ignore_port_in_host_matching).

import { serviceAliases } from "../../api/hosts.ts";
import { memoObject } from "../../model/memo.ts";
import type { RouteClient, RouteHost } from "../../model/routes.ts";

/** Which names of a table are whose. */
export interface NameClaims {
  /** Every name that is some host's own, not a short form of it. */
  readonly own: ReadonlySet<string>;
  /** Services one of whose short names is another host's own. */
  readonly contested: ReadonlySet<RouteHost>;
}

/**
 * Domains for a client, without duplicates: the bare service name counts only inside the service's own namespace. A short name that
 * is another host's own (a ServiceEntry for "rates.shop" beside a Service rates in shop) is left to that host, because Envoy refuses
 * the whole table when one domain stands in two virtual hosts.
 */
export function domains(host: RouteHost, client: RouteClient, claims: NameClaims): string[] {
  const names = host.hosts.map((name) => (name.includes(":") ? `[${name}]` : name));
  return [...new Set([...names, ...shortNames(host, client, claims)])];
}

/** Names the set of short names that a client may use for a host; cheap, because it is asked for every host of every table. */
export function shortNamesVariant(host: RouteHost, client: RouteClient, claims: NameClaims): string {
  if (claims.contested.has(host)) return shortNames(host, client, claims).join();
  return host.service?.namespace === client.namespace ? "local" : "";
}

function shortNames({ service }: RouteHost, client: RouteClient, claims: NameClaims): readonly string[] {
  const aliases = service === undefined ? [] : serviceAliases(service.name, service.namespace, client.namespace);
  return aliases.filter((alias) => !claims.own.has(alias));
}

/** Who claims which name in a list of hosts; remembered for the list. */
export const nameClaims: (hosts: readonly RouteHost[]) => NameClaims = memoObject((hosts) => {
  const own = new Set(hosts.flatMap((host) => host.hosts));
  const isContested = ({ service, hosts: names }: RouteHost): boolean =>
    service !== undefined &&
    serviceAliases(service.name, service.namespace, service.namespace).some((alias) => own.has(alias) && !names.includes(alias));
  return { own, contested: new Set(hosts.filter(isContested)) };
});
