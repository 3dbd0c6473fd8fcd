// The names a virtual host answers to, as Istio gives them: FQDN, short names inside the cluster, virtual addresses. Ports are not
// written out: the route configuration ignores the port of the Host header (ignore_port_in_host_matching).

import { serviceAliases } from "../../api/hosts.ts";
import type { RouteClient, RouteHost } from "../../model/routes.ts";

/** Domains for a client, without duplicates: the bare service name counts only inside the service's own namespace. */
export function domains(host: RouteHost, client: RouteClient): string[] {
  const names = host.hosts.map((name) => (name.includes(":") ? `[${name}]` : name));
  return [...new Set([...names, ...shortNames(host, client)])];
}

/** Whether the client is in the service's namespace: all that domains depend on. */
export function isLocal(host: RouteHost, client: RouteClient): boolean {
  return host.service?.namespace === client.namespace;
}

function shortNames({ service }: RouteHost, client: RouteClient): readonly string[] {
  return service === undefined ? [] : serviceAliases(service.name, service.namespace, client.namespace);
}
