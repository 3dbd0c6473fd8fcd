// A host with the rules of its VirtualServices → Envoy's VirtualHost, for one client.

import type { RouteJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { defined } from "../../envoy/defined.ts";
import { memoObject } from "../../model/memo.ts";
import type { RouteClient, RouteHost, RouteRule } from "../../model/routes.ts";
import { applies, dependsOnClient } from "./applies.ts";
import type { NameClaims } from "./domains.ts";
import { domains, shortNamesVariant } from "./domains.ts";
import { isCatchAll } from "./match.ts";
import { defaultRoute, route } from "./route.ts";
import type { RouteSettings } from "./settings.ts";

/** What a virtual host depends on besides its RouteHost. */
export interface VirtualHostContext {
  readonly client: RouteClient;
  readonly settings: RouteSettings;
  /** The names of the table that the host is in. */
  readonly claims: NameClaims;
}

/**
 * The virtual host as this client sees it. Undefined when none of the rules concerns the client and there is no service behind the
 * name: then requests for it are requests for an unknown host.
 */
export function virtualHost(host: RouteHost, context: VirtualHostContext): VirtualHostJson | undefined {
  const routes = routesOf(host, context);
  if (routes.length === 0 && host.httpsRedirect !== true) return undefined;
  return defined<VirtualHostJson>({
    name: host.name,
    domains: domains(host, context.client, context.claims),
    routes: routes.length === 0 ? undefined : routes,
    requireTls: host.httpsRedirect === true ? "ALL" : undefined,
    includeRequestAttemptCount: context.settings.includeRequestAttemptCount ? true : undefined,
  });
}

/** Names what a context decides for a host: two clients with equal variants get the same virtual host. */
export function variantOf(host: RouteHost, { client, claims }: VirtualHostContext): string {
  const decisions = clientMatches(host).map(({ rule, match }) => (applies(match, rule, { port: host.port, client }) ? "1" : "0"));
  return `${shortNamesVariant(host, client, claims)}:${decisions.join("")}`;
}

/** The match blocks whose fate depends on who asks; most hosts have none. */
const clientMatches = memoObject((host: RouteHost) =>
  host.rules.flatMap((rule) => rule.route.match.filter(dependsOnClient).map((match) => ({ rule, match }))),
);

/** Each VirtualService ends at its first route that takes everything; what it takes is tried after all others' narrower routes. */
function routesOf(host: RouteHost, context: VirtualHostContext): RouteJson[] {
  const virtualServices = [...new Set(host.rules.map(({ virtualService }) => virtualService))];
  const routes = virtualServices.flatMap((virtualService) =>
    untilCatchAll(host.rules.filter((rule) => rule.virtualService === virtualService).flatMap((rule) => routesOfRule(rule, host, context))),
  );
  if (routes.length === 0) return host.defaultTarget === undefined ? [] : [defaultRoute(host.defaultTarget, context.settings)];
  return [...routes.filter((each) => !takesAll(each)), ...routes.filter(takesAll).slice(0, 1)];
}

function untilCatchAll(routes: readonly RouteJson[]): readonly RouteJson[] {
  const catchAll = routes.findIndex(takesAll);
  return catchAll === -1 ? routes : routes.slice(0, catchAll + 1);
}

function takesAll({ match }: RouteJson): boolean {
  return match !== undefined && isCatchAll(match);
}

/** One Envoy route per match block: blocks are alternatives. */
function routesOfRule(rule: RouteRule, { port }: RouteHost, { client, settings }: VirtualHostContext): RouteJson[] {
  const blocks = rule.route.match.filter((match) => applies(match, rule, { port, client }));
  const matches = rule.route.match.length === 0 ? [undefined] : blocks;
  return matches.flatMap((match) => route(rule, match, { port, settings }) ?? []);
}
