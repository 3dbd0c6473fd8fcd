// What Envoy would do with a request, given its RouteConfiguration as JSON: pure, for `lateen explain request` and for tests, which
// compare it with a real Envoy. Faults, retries and CORS are not simulated: they happen after the route is chosen.

import type { RedirectActionJson, RouteActionJson, RouteJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import type { SimulatedRequest } from "./simulate-match.ts";
import { matches, pathOf } from "./simulate-match.ts";

export type { SimulatedRequest } from "./simulate-match.ts";

/** A cluster a request may go to. */
export interface PossibleCluster {
  readonly name: string;
  /** Share of the route's total, from the route itself; RTDS may say otherwise. */
  readonly weight: number;
}

export type SimulatedOutcome =
  | { readonly kind: "forward"; readonly clusters: readonly PossibleCluster[]; readonly mirrors: readonly string[] }
  | { readonly kind: "redirect"; readonly status: number; readonly location: string }
  | { readonly kind: "respond"; readonly status: number };

export interface SimulatedRoute {
  readonly virtualHost: VirtualHostJson;
  /** The route and its place in the virtual host; undefined when the virtual host itself answers (requireTls). */
  readonly route?: RouteJson;
  readonly index?: number;
  readonly outcome: SimulatedOutcome;
}

/** The route Envoy chooses; undefined when no virtual host or no route takes the request, which Envoy answers with 404. */
export function simulate(configuration: RouteConfigurationJson, request: SimulatedRequest): SimulatedRoute | undefined {
  const host = configuration.ignorePortInHostMatching === true ? withoutPort(request.host) : request.host;
  const virtualHost = virtualHostFor(configuration.virtualHosts ?? [], host.toLowerCase());
  if (virtualHost === undefined) return undefined;
  if (virtualHost.requireTls === "ALL" && request.scheme !== "https") {
    return { virtualHost, outcome: { kind: "redirect", status: 301, location: `https://${request.host}${request.path}` } };
  }
  const routes = virtualHost.routes ?? [];
  const index = routes.findIndex(({ match }) => match !== undefined && matches(match, request));
  const route = routes[index];
  const outcome = route === undefined ? undefined : outcomeOf(route, request);
  return route === undefined || outcome === undefined ? undefined : { virtualHost, route, index, outcome };
}

/** Exact domain, then the longest "*.suffix", then the longest "prefix.*", then "*". */
function virtualHostFor(virtualHosts: readonly VirtualHostJson[], host: string): VirtualHostJson | undefined {
  const candidates = virtualHosts.flatMap((virtualHost) =>
    (virtualHost.domains ?? []).flatMap((domain) => {
      const rank = domainRank(domain.toLowerCase(), host);
      return rank === undefined ? [] : [{ virtualHost, rank }];
    }),
  );
  return candidates.sort((a, b) => b.rank - a.rank)[0]?.virtualHost;
}

/** Higher wins; undefined does not match. A wildcard stands for one character at least. */
function domainRank(domain: string, host: string): number | undefined {
  if (domain === host) return Number.POSITIVE_INFINITY;
  if (domain === "*") return 0;
  const wildcardMatches = host.length >= domain.length;
  if (domain.startsWith("*")) return wildcardMatches && host.endsWith(domain.slice(1)) ? 2_000_000 + domain.length : undefined;
  if (domain.endsWith("*")) return wildcardMatches && host.startsWith(domain.slice(0, -1)) ? 1_000_000 + domain.length : undefined;
  return undefined;
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}

function outcomeOf(route: RouteJson, request: SimulatedRequest): SimulatedOutcome | undefined {
  if (route.redirect !== undefined) return redirectOf(route, route.redirect, request);
  if (route.directResponse !== undefined) return { kind: "respond", status: route.directResponse.status ?? 0 };
  if (route.route === undefined) return undefined;
  const mirrors = (route.route.requestMirrorPolicies ?? []).flatMap(({ cluster }) => cluster ?? []);
  return { kind: "forward", clusters: clustersOf(route.route), mirrors };
}

function clustersOf(action: RouteActionJson): PossibleCluster[] {
  if (action.cluster !== undefined) return [{ name: action.cluster, weight: 1 }];
  return (action.weightedClusters?.clusters ?? []).map(({ name, weight }) => ({ name: name ?? "", weight: weight ?? 0 }));
}

const redirectStatus: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

function redirectOf(route: RouteJson, redirect: RedirectActionJson, request: SimulatedRequest): SimulatedOutcome {
  const scheme = redirect.schemeRedirect ?? (redirect.httpsRedirect === true ? "https" : (request.scheme ?? "http"));
  const status = redirectStatus[redirect.responseCode ?? "MOVED_PERMANENTLY"] ?? 301;
  const location = `${scheme}://${redirectHost(redirect, request)}${redirectPath(route, redirect, request.path)}`;
  return { kind: "redirect", status, location };
}

/** Envoy drops the request's port when it is the old scheme's own and the scheme changes. */
function redirectHost(redirect: RedirectActionJson, request: SimulatedRequest): string {
  if (redirect.portRedirect) return `${withoutPort(redirect.hostRedirect ?? request.host)}:${redirect.portRedirect}`;
  if (redirect.hostRedirect !== undefined) return redirect.hostRedirect;
  const oldScheme = request.scheme ?? "http";
  const newScheme = redirect.schemeRedirect ?? (redirect.httpsRedirect === true ? "https" : oldScheme);
  const ownPort = oldScheme === "https" ? ":443" : ":80";
  return newScheme !== oldScheme && request.host.endsWith(ownPort) ? withoutPort(request.host) : request.host;
}

/** The query string stays unless the new path has its own, or stripQuery is set. */
function redirectPath(route: RouteJson, redirect: RedirectActionJson, path: string): string {
  const oldPath = pathOf(path);
  const query = redirect.stripQuery === true ? "" : path.slice(oldPath.length);
  if (redirect.pathRedirect !== undefined)
    return redirect.pathRedirect.includes("?") ? redirect.pathRedirect : `${redirect.pathRedirect}${query}`;
  if (redirect.prefixRewrite === undefined) return `${oldPath}${query}`;
  return `${redirect.prefixRewrite}${oldPath.slice((route.match?.prefix ?? oldPath).length)}${query}`;
}
