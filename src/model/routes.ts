// Which HTTP routes a proxy sees: relations between hosts, VirtualServices and destinations, without copying API fields.
// Made by the model from a snapshot; translate/route turns each RouteTable into an Envoy RouteConfiguration.

import type { ConsistentHash } from "../api/networking/destination-rule.ts";
import type { HttpRoute, VirtualService } from "../api/networking/virtual-service.ts";
import type { CohortHash, CohortMember } from "./releases/cohort.ts";
import type { RouteCondition } from "./releases/route-condition.ts";

/** What becomes one Envoy RouteConfiguration. */
export interface RouteTable {
  /** Istio's names: "80" at sidecars, "http.8080" at gateways. */
  readonly name: string;
  /** One entry per virtual host; no two share a domain for the same client. */
  readonly hosts: readonly RouteHost[];
  /**
   * What a request for any other host gets: PassthroughCluster (ALLOW_ANY), 502 (REGISTRY_ONLY), or 404 (gateways).
   * Source: MeshConfig.outboundTrafficPolicy.
   */
  readonly unknownHosts: "passthrough" | "blackhole" | "not-found";
  /** HTTPS servers of gateways only: names that another server of the port has. Requests for them get 421, so that a client opens a new connection. */
  readonly misdirected?: readonly string[];
  /** Gateways only: how users are told apart, while releases go by users; the same list as long as nothing in it changed. */
  readonly cohorts?: readonly CohortMember[];
}

/**
 * One virtual host. The same object as long as nothing in it changed: its encoded bytes hang on its identity.
 * A change of weights alone must not make a new one (see RouteSplit).
 */
export interface RouteHost {
  /** "<host>:<port>", unique in its table. */
  readonly name: string;
  /** The port requests arrive at: `match.port`, and redirects with derivePort FROM_REQUEST_PORT. */
  readonly port: number;
  /** FQDNs, wildcards ("*.example.com", "*") and virtual addresses, without port; IPv6 without brackets. */
  readonly hosts: readonly string[];
  /** Set for Kubernetes services: they also answer to "name.namespace", "name.namespace.svc" and, inside the namespace, "name". */
  readonly service?: { readonly name: string; readonly namespace: string };
  /** Its port is declared to speak HTTP/1.1 (protocol http): no gRPC goes there, so nobody counts messages. */
  readonly speaksHttp1?: true;
  /** The http routes of all VirtualServices bound to this host, in the order they are tried; empty without a VirtualService. */
  readonly rules: readonly RouteRule[];
  /** Where requests go when `rules` is empty: the service itself. Without rules and without it every request gets 404. */
  readonly defaultTarget?: RouteTarget;
  /** The same under a release: they take the place of `defaultTarget`. */
  readonly defaultRules?: readonly RouteRule[];
  /** Gateways only: every request is redirected to https (Server.tls.httpsRedirect). */
  readonly httpsRedirect?: boolean;
}

/** One http route of a VirtualService with what its names refer to. */
export interface RouteRule {
  readonly virtualService: VirtualService;
  /** The route itself, by reference (or merged with its delegate's). */
  readonly route: HttpRoute;
  /** Through which gateway the host is reached: "mesh", or "<namespace>/<name>" of a Gateway; compared with `match.gateways`. */
  readonly gateway: string;
  /** Parallel to `route.route`. */
  readonly targets: readonly RouteTarget[];
  /** Parallel to `route.mirror` (if present) followed by `route.mirrors`. */
  readonly mirrors: readonly RouteTarget[];
  /** Present when there are two targets or more. */
  readonly split?: RouteSplit;
  /** What a release made of a route; missing on all others. */
  readonly release?: RuleOfRelease;
}

/** What a rule that a release made has besides the route it is made of. */
export interface RuleOfRelease {
  /** The route it is made of, as the user wrote it. */
  readonly written: HttpRoute;
  /** Conditions that must hold besides those of any match block. */
  readonly conditions: readonly RouteCondition[];
  /** How the user picks the split's member; missing: chance does. */
  readonly cohort?: CohortHash;
  /** The route of a service that no VirtualService claims; the VirtualService is made. */
  readonly isDefault: boolean;
  /** "Release shop/web", and others that had a part in it. */
  readonly sources: readonly string[];
}

/** A destination that was looked up. */
export interface RouteTarget {
  /** Envoy's cluster name, "outbound|<port>|<subset>|<host>". */
  readonly cluster: string;
  /** The DestinationRule's loadBalancer.consistentHash that holds for this destination. */
  readonly consistentHash?: ConsistentHash;
}

/** How a route's requests are divided; only the settled part is in the route's bytes, what is in motion travels by RTDS. */
export interface RouteSplit {
  /** Prefix of the RTDS keys, a hash of (object uid, route identity, ordered members); see splitKeyPrefix(). */
  readonly runtimeKeyPrefix: string;
  /** Parallel to the targets: integers ≥ 0 with sum 10,000, the last stable state. */
  readonly settledWeights: readonly number[];
}

/** The proxy whose requests a table routes, as far as routes depend on it. */
export interface RouteClient {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}
