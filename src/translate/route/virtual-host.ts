// A host with the rules of its VirtualServices → Envoy's VirtualHost, for one client.

import type { RouteJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { defined } from "../../envoy/defined.ts";
import { memoObject } from "../../model/memo.ts";
import type { RouteClient, RouteHost, RouteRule } from "../../model/routes.ts";
import { joinParts } from "../../telemetry/composite-tags.ts";
import { withoutMessageCounts } from "../filter/grpc-messages.ts";
import { serviceMetadata } from "../service-text.ts";
import { applies, dependsOnClient } from "./applies.ts";
import type { NameClaims } from "./domains.ts";
import { domains, shortNamesVariant } from "./domains.ts";
import { isCatchAll, routeMatch } from "./match.ts";
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
    // Other requests have a cluster that says it; these may be answered by a route, or by none.
    metadata:
      host.rules.length === 0 || host.service === undefined
        ? undefined
        : { filterMetadata: serviceMetadata(hostService(host, host.service)) },
    typedPerFilterConfig: host.speaksHttp1 === true ? { ...withoutMessageCounts } : undefined,
    routes: routes.length === 0 ? undefined : routes,
    requireTls: host.httpsRedirect === true ? "ALL" : undefined,
    includeRequestAttemptCount: context.settings.includeRequestAttemptCount ? true : undefined,
  });
}

function hostService({ name: hostAndPort, port }: RouteHost, { name, namespace }: NonNullable<RouteHost["service"]>): string {
  return joinParts([hostAndPort.slice(0, hostAndPort.lastIndexOf(":")), name, namespace, String(port)]);
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

/** A route, whether it takes everything, and whether its VirtualService means it to (conditions of a release come on top of that). */
interface PlacedRoute {
  readonly json: RouteJson;
  readonly takesAll: boolean;
  readonly isLate: boolean;
}

/** Each VirtualService ends at its first route that takes everything; what it takes is tried after all others' narrower routes. */
function routesOf(host: RouteHost, context: VirtualHostContext): RouteJson[] {
  const virtualServices = [...new Set(host.rules.map(({ virtualService }) => virtualService))];
  const routes = virtualServices.flatMap((virtualService) =>
    untilCatchAll(host.rules.filter((rule) => rule.virtualService === virtualService).flatMap((rule) => routesOfRule(rule, host, context))),
  );
  if (routes.length === 0) return defaultRoutes(host, context);
  const late = untilCatchAll(routes.filter(({ isLate }) => isLate));
  return [...routes.filter(({ isLate }) => !isLate), ...late].map(({ json }) => json);
}

function defaultRoutes(host: RouteHost, context: VirtualHostContext): RouteJson[] {
  if (host.defaultRules !== undefined)
    return host.defaultRules.flatMap((rule) => routesOfRule(rule, host, context).map(({ json }) => json));
  return host.defaultTarget === undefined ? [] : [defaultRoute(host.defaultTarget, context.settings)];
}

function untilCatchAll(routes: readonly PlacedRoute[]): readonly PlacedRoute[] {
  const catchAll = routes.findIndex(({ takesAll }) => takesAll);
  return catchAll === -1 ? routes : routes.slice(0, catchAll + 1);
}

/** One Envoy route per match block: blocks are alternatives. */
function routesOfRule(rule: RouteRule, { port }: RouteHost, { client, settings }: VirtualHostContext): PlacedRoute[] {
  const blocks = rule.route.match.filter((match) => applies(match, rule, { port, client }));
  const matches = rule.route.match.length === 0 ? [undefined] : blocks;
  return matches.flatMap((match) => {
    const json = route(rule, match, { port, settings });
    if (json === undefined) return [];
    const isLate = isCatchAll(routeMatch(match));
    return [{ json, isLate, takesAll: isLate && (rule.release?.conditions ?? []).length === 0 }];
  });
}
