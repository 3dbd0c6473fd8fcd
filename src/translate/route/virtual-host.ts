// A host with the rules of its VirtualServices → Envoy's VirtualHost, for one client.

import type { RouteJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { defined } from "../../envoy/defined.ts";
import type { RouteClient, RouteHost, RouteRule } from "../../model/routes.ts";
import { applies, dependsOnClient } from "./applies.ts";
import { domains, isLocal } from "./domains.ts";
import { isCatchAll } from "./match.ts";
import { defaultRoute, route } from "./route.ts";
import type { RouteSettings } from "./settings.ts";

/**
 * The virtual host as this client sees it. Undefined when none of the rules concerns the client and there is no service behind the
 * name: then requests for it are requests for an unknown host.
 */
export function virtualHost(host: RouteHost, client: RouteClient, settings: RouteSettings): VirtualHostJson | undefined {
  const routes = routesOf(host, client, settings);
  if (routes.length === 0 && host.httpsRedirect !== true) return undefined;
  return defined<VirtualHostJson>({
    name: host.name,
    domains: domains(host, client),
    routes: routes.length === 0 ? undefined : routes,
    requireTls: host.httpsRedirect === true ? "ALL" : undefined,
    includeRequestAttemptCount: settings.includeRequestAttemptCount ? true : undefined,
  });
}

/** Names what a virtual host depends on besides its RouteHost: two clients with equal variants get the same virtual host. */
export function variantOf(host: RouteHost, client: RouteClient): string {
  const decisions = host.rules.flatMap((rule) =>
    rule.route.match.filter(dependsOnClient).map((match) => (applies(match, rule, { port: host.port, client }) ? "1" : "0")),
  );
  return `${isLocal(host, client) ? "local" : ""}:${decisions.join("")}`;
}

function routesOf(host: RouteHost, client: RouteClient, settings: RouteSettings): RouteJson[] {
  const routes = host.rules.flatMap((rule) => routesOfRule(rule, host, { client, settings }));
  if (routes.length === 0) return host.defaultTarget === undefined ? [] : [defaultRoute(host.defaultTarget, settings)];
  // What stands after a route that takes everything can't be reached.
  const catchAll = routes.findIndex(({ match }) => match !== undefined && isCatchAll(match));
  return catchAll === -1 ? routes : routes.slice(0, catchAll + 1);
}

/** One Envoy route per match block: blocks are alternatives. */
function routesOfRule(
  rule: RouteRule,
  host: RouteHost,
  { client, settings }: { readonly client: RouteClient; readonly settings: RouteSettings },
): RouteJson[] {
  const context = { port: host.port, settings };
  const blocks = rule.route.match.filter((match) => applies(match, rule, { port: host.port, client }));
  const matches = rule.route.match.length === 0 ? [undefined] : blocks;
  return matches.flatMap((match) => route(rule, match, context) ?? []);
}
