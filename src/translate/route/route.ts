// One http route of a VirtualService with one of its match blocks → Envoy's Route; and the route of a service without VirtualService.

import type { RouteActionJson, RouteJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { Headers, HttpMatchRequest, HttpRoute } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";
import { defaultRouteName } from "../../envoy/names.ts";
import type { CohortHash } from "../../model/releases/cohort.ts";
import type { RouteRule, RouteTarget } from "../../model/routes.ts";
import { cohortPolicy } from "./cohort-policy.ts";
import { corsFilterName, corsPolicy } from "./cors.ts";
import { directResponse } from "./direct-response.ts";
import { faultFilterName, httpFault } from "./fault.ts";
import { hashPolicy } from "./hash-policy.ts";
import { authorityOf, headerFields } from "./headers.ts";
import { anyRequest, routeMatch } from "./match.ts";
import { requestMirrorPolicies } from "./mirror.ts";
import { redirectAction } from "./redirect.ts";
import { retryPolicy } from "./retry.ts";
import { pathRewrite } from "./rewrite.ts";
import { ruleMetadata, ruleText } from "./rule-metadata.ts";
import type { RouteSettings } from "./settings.ts";
import { timeouts } from "./timeouts.ts";
import { weightedCluster } from "./weighted-cluster.ts";

/** Where and under which settings a route is built. */
export interface RouteContext {
  /** The listener's port. */
  readonly port: number;
  readonly settings: RouteSettings;
}

/** The route for one match block (undefined: the route has none); undefined when the rule leads nowhere. */
export function route(rule: RouteRule, match: HttpMatchRequest | undefined, context: RouteContext): RouteJson | undefined {
  const http = rule.route;
  const action = actionOf(rule, context);
  if (action === undefined) return undefined;
  const requestMatch = routeMatch(match, rule.release?.conditions);
  const isDefault = rule.release?.isDefault === true;
  return defined<RouteJson>({
    name: isDefault ? defaultRouteName : routeName(http, match),
    match: requestMatch,
    ...action,
    // Here the destination's operations come last and win; with several destinations Envoy lets the route's win (both as Istio).
    ...headerFields(http.headers, ...ownHeaders(rule)),
    statPrefix: match?.statPrefix || undefined,
    typedPerFilterConfig: perFilterConfig(http),
    decorator: rule.targets.length === 0 ? { operation: operationName(rule, pathPattern(requestMatch), context.port) } : undefined,
    metadata: isDefault
      ? undefined
      : { filterMetadata: { istio: { config: configPath(rule) }, [ruleMetadata]: { rule: ruleText(rule, match) } } },
  });
}

/** The headers of the one destination that a route has or, before a release divided it, had. */
function ownHeaders({ route: http, release }: RouteRule): readonly (Headers | undefined)[] {
  const only = http.route.length === 1 ? http.route[0]?.headers : undefined;
  if (release === undefined) return [only];
  return [release.written.route.length === 1 ? release.written.route[0]?.headers : undefined, only];
}

/** The route of a host that no VirtualService claims: everything to the service itself, with the default retry policy. */
export function defaultRoute(target: RouteTarget, settings: RouteSettings): RouteJson {
  return defined<RouteJson>({
    name: defaultRouteName,
    match: anyRequest,
    route: defined<RouteActionJson>({
      cluster: target.cluster,
      ...timeouts(undefined),
      retryPolicy: retryPolicy(settings.defaultRetries, { consistentHash: false }),
      hashPolicy: hashPolicies([target]),
    }),
  });
}

function actionOf(rule: RouteRule, context: RouteContext): RouteJson | undefined {
  const { redirect, directResponse: response } = rule.route;
  if (redirect !== undefined) return { redirect: redirectAction(redirect, context.port) };
  if (response !== undefined) return { directResponse: directResponse(response) };
  return rule.targets.length === 0 ? undefined : { route: routeAction(rule, context.settings) };
}

function routeAction(rule: RouteRule, settings: RouteSettings): RouteActionJson {
  const { route: http, targets } = rule;
  const mirrors = requestMirrorPolicies(rule);
  const single = targets.length === 1 ? targets[0] : undefined;
  return defined<RouteActionJson>({
    cluster: single?.cluster,
    weightedClusters: single === undefined ? weightedCluster(rule) : undefined,
    ...pathRewrite(http.rewrite),
    hostRewriteLiteral: hostRewrite(rule),
    ...timeouts(http.timeout),
    retryPolicy: retryPolicy(http.retries ?? settings.defaultRetries, {
      consistentHash: single?.consistentHash !== undefined && rule.release?.isDefault !== true,
    }),
    requestMirrorPolicies: mirrors.length === 0 ? undefined : mirrors,
    hashPolicy: hashPolicies(targets, rule.release?.cohort),
  });
}

/** The Host header for the upstream; several destinations carry their own in the weighted cluster. */
function hostRewrite({ route, release }: RouteRule): string | undefined {
  const http = release?.written ?? route;
  const single = http.route.length === 1 ? http.route[0] : undefined;
  return http.rewrite?.authority || authorityOf(http.headers) || authorityOf(single?.headers);
}

function hashPolicies(targets: readonly RouteTarget[], cohort?: CohortHash): RouteActionJson["hashPolicy"] {
  if (cohort !== undefined) return [cohortPolicy(cohort)];
  const policies = targets.flatMap(({ consistentHash }) => (consistentHash === undefined ? [] : (hashPolicy(consistentHash) ?? [])));
  return policies.length === 0 ? undefined : policies;
}

/** Istio's names: the route's, with the match's behind a dot; a route of a VirtualService without name has none. */
function routeName(http: HttpRoute, match: HttpMatchRequest | undefined): string | undefined {
  return match?.name ? `${http.name ?? ""}.${match.name}` : http.name;
}

function perFilterConfig(http: HttpRoute): RouteJson["typedPerFilterConfig"] {
  const configs = [
    [corsFilterName, corsPolicy(http.corsPolicy)],
    [faultFilterName, httpFault(http.fault)],
  ] as const;
  const present = configs.flatMap(([name, config]) => (config === undefined ? [] : [[name, config] as const]));
  return present.length === 0 ? undefined : Object.fromEntries(present);
}

/**
 * The span name, as Istio writes it, of a route that answers by itself. Spans of requests to a service are named by it where they are collected: a decorator
 * would cost each request two percent of a proxy's instructions.
 */
function operationName({ virtualService }: RouteRule, path: string, port: number): string {
  return `${virtualService.metadata.name}:${port}${path}`;
}

function pathPattern(match: ReturnType<typeof routeMatch>): string {
  return match.path ?? match.safeRegex?.regex ?? `${match.prefix ?? "/"}*`;
}

/** Istio's path of the object a route came from, which its tools show. */
function configPath({ virtualService: { metadata } }: RouteRule): string {
  return `/apis/networking.istio.io/v1/namespaces/${metadata.namespace}/virtual-service/${metadata.name}`;
}
