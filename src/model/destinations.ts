// Which DestinationRules hold for a client and a host, and the traffic policy that follows for a port and a subset.
// Source: Istio pilot/pkg/model/push_context.go (look-up order) and pilot/pkg/networking/util (MergeTrafficPolicy).

import { isWildcard, resolveHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { DestinationRule, PortTrafficPolicy, Subset, TrafficPolicy } from "../api/networking/destination-rule.ts";
import { sameItems } from "./memo.ts";
import type { DestinationPolicy, MeshService } from "./mesh.ts";
import { coveringPatterns, isExportedTo } from "./visibility.ts";

export interface PolicyClient {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PolicyIndexInputs {
  /** Oldest first. */
  readonly rules: readonly DestinationRule[];
  /** Whether a fully qualified host name belongs to a service. */
  readonly exists: (host: string) => boolean;
  readonly rootNamespace: string;
}

/** Finds the policy of one host for one client; undefined when no rule holds. */
export type PolicyLookup = (client: PolicyClient, service: Pick<MeshService, "hostname" | "namespace">) => DestinationPolicy | undefined;

/** Prepares the look-up: first the client's namespace, then the service's, then the root; the first with a rule decides alone. */
export function policyLookup({ rules, exists, rootNamespace }: PolicyIndexInputs): PolicyLookup {
  const byPlace = new Map<string, DestinationRule[]>();
  let wildcards = false;
  for (const rule of rules) {
    const host = resolveHost(rule.spec.host, rule.metadata.namespace, exists);
    wildcards ||= isWildcard(host);
    const key = `${rule.metadata.namespace}/${host}`;
    byPlace.set(key, [...(byPlace.get(key) ?? []), rule]);
  }
  return (client, service) => {
    if (rules.length === 0) return undefined;
    for (const namespace of new Set([client.namespace, service.namespace, rootNamespace])) {
      for (const pattern of wildcards ? coveringPatterns(service.hostname) : [service.hostname]) {
        const place = byPlace.get(`${namespace}/${pattern}`);
        const holding = place?.filter((rule) => holds(rule, client));
        if (holding !== undefined && holding.length > 0) return mergedPolicy(holding);
      }
    }
    return undefined;
  };
}

function holds(rule: DestinationRule, client: PolicyClient): boolean {
  const own = rule.metadata.namespace === client.namespace;
  if (!own && !isExportedTo(rule, client.namespace)) return false;
  const { workloadSelector } = rule.spec;
  // A selector picks clients of the rule's own namespace only (DestinationRule.workload_selector).
  return workloadSelector === undefined || (own && labelsMatch(workloadSelector.matchLabels, client.labels));
}

/** By the first rule: policies made of it; the same rules always give the same object, whoever asks. */
const knownPolicies = new WeakMap<DestinationRule, DestinationPolicy[]>();

/** Several rules for one host add up: all subsets (the first of a name wins), the first traffic policy; rules with a selector come first. */
function mergedPolicy(holding: readonly DestinationRule[]): DestinationPolicy | undefined {
  const hasSelector = ({ spec }: DestinationRule) => spec.workloadSelector !== undefined;
  const rules = [...holding.filter(hasSelector), ...holding.filter((rule) => !hasSelector(rule))];
  const [first] = rules;
  if (first === undefined) return undefined;
  const known = knownPolicies.get(first) ?? [];
  const same = known.find((policy) => sameItems(policy.rules, rules));
  if (same !== undefined) return same;
  const subsets = new Map<string, Subset>();
  for (const subset of rules.flatMap(({ spec }) => spec.subsets)) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  const trafficPolicy = rules.find(({ spec }) => spec.trafficPolicy !== undefined)?.spec.trafficPolicy;
  const policy: DestinationPolicy = { rules, trafficPolicy, subsets: [...subsets.values()] };
  knownPolicies.set(first, [policy, ...known].slice(0, keptPolicies));
  return policy;
}

/** One rule rarely stands in more than a few combinations at a time. */
const keptPolicies = 4;

/** The settings that hold for one cluster. */
export type EffectivePolicy = Pick<PortTrafficPolicy, "loadBalancer" | "connectionPool" | "outlierDetection" | "tls"> &
  Partial<Pick<TrafficPolicy, "proxyProtocol" | "tunnel" | "retryBudget">>;

/**
 * The policy of one port and subset. Each level replaces whole blocks of the one above and inherits blocks it lacks; port-level settings
 * inherit nothing (DestinationRule.TrafficPolicy.port_level_settings).
 */
export function effectivePolicy(policy: DestinationPolicy | undefined, port: number, subset?: Subset): EffectivePolicy {
  return overridden(overridden({}, policy?.trafficPolicy, port), subset?.trafficPolicy, port);
}

function overridden(base: EffectivePolicy, policy: TrafficPolicy | undefined, port: number): EffectivePolicy {
  if (policy === undefined) return base;
  const atPort = policy.portLevelSettings.find(({ port: { number } }) => number === port);
  const upper = atPort === undefined ? base : {};
  const own = atPort ?? policy;
  return {
    loadBalancer: own.loadBalancer ?? upper.loadBalancer,
    connectionPool: own.connectionPool ?? upper.connectionPool,
    outlierDetection: own.outlierDetection ?? upper.outlierDetection,
    tls: own.tls ?? upper.tls,
    proxyProtocol: policy.proxyProtocol ?? base.proxyProtocol,
    tunnel: policy.tunnel ?? base.tunnel,
    retryBudget: policy.retryBudget ?? base.retryBudget,
  };
}

/** The subset of a name. */
export function subsetOf(policy: DestinationPolicy | undefined, name: string | undefined): Subset | undefined {
  return name === undefined || name === "" ? undefined : policy?.subsets.find((subset) => subset.name === name);
}
