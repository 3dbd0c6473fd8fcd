// Which security policies apply to a workload: relations between API objects and labels, nothing of Envoy. Read by translate and analyze.
// Source of the rules: Istio pilot/pkg/model/authorization.go, pilot/pkg/security/authn/policy_applier.go.

import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { AuthorizationAction, AuthorizationPolicy } from "../api/security/authorization-policy.ts";
import type { MtlsMode, PeerAuthentication } from "../api/security/peer-authentication.ts";
import type { RequestAuthentication } from "../api/security/request-authentication.ts";
import { byAge, compare } from "./visibility.ts";

/** A workload as policies select it. */
export interface PolicySubject {
  readonly namespace: string;
  /** Of the pod. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The AuthorizationPolicies of one workload by action, in the order of evaluation; each list sorted by namespace and name. */
export interface WorkloadPolicies {
  readonly custom: readonly AuthorizationPolicy[];
  readonly deny: readonly AuthorizationPolicy[];
  readonly allow: readonly AuthorizationPolicy[];
  readonly audit: readonly AuthorizationPolicy[];
}

interface Selecting {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: {
    readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> } | undefined;
    readonly targetRef?: unknown;
    readonly targetRefs?: readonly unknown[];
  };
}

function hasSelector({ spec }: Selecting): boolean {
  return Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
}

/** A policy of the root namespace is for every namespace, any other for its own; then the labels decide. Targets (targetRefs) select nothing here. */
function applies(policy: Selecting, subject: PolicySubject, rootNamespace: string): boolean {
  const { namespace } = policy.metadata;
  if (namespace !== rootNamespace && namespace !== subject.namespace) return false;
  if (policy.spec.targetRef !== undefined || (policy.spec.targetRefs ?? []).length > 0) return false;
  return labelsMatch(policy.spec.selector?.matchLabels ?? {}, subject.labels);
}

/** The AuthorizationPolicies that decide about requests to a workload. */
export function authorizationPoliciesOf(
  policies: readonly AuthorizationPolicy[],
  subject: PolicySubject,
  rootNamespace: string,
): WorkloadPolicies {
  const applying = policies
    .filter((policy) => applies(policy, subject, rootNamespace))
    .toSorted((a, b) => compare(a.metadata.namespace, b.metadata.namespace) || compare(a.metadata.name, b.metadata.name));
  const of = (action: AuthorizationAction): readonly AuthorizationPolicy[] => applying.filter(({ spec }) => spec.action === action);
  return { custom: of("CUSTOM"), deny: of("DENY"), allow: of("ALLOW"), audit: of("AUDIT") };
}

/** The RequestAuthentications of a workload, oldest first: a request may bear a token of any of their rules. */
export function requestAuthenticationsOf(
  policies: readonly RequestAuthentication[],
  subject: PolicySubject,
  rootNamespace: string,
): readonly RequestAuthentication[] {
  return byAge(policies.filter((policy) => applies(policy, subject, rootNamespace)));
}

/** A mode that nothing is inherited for any more. */
export type EffectiveMtlsMode = Exclude<MtlsMode, "UNSET">;

/** What a workload accepts on its ports. */
export interface WorkloadMtls {
  /** On every port that `ports` doesn't name. */
  readonly mode: EffectiveMtlsMode;
  /** By port of the application. */
  readonly ports: ReadonlyMap<number, EffectiveMtlsMode>;
}

/** Without any PeerAuthentication (Istio's default). */
export const defaultMtlsMode: EffectiveMtlsMode = "PERMISSIVE";

interface PeerLevels {
  readonly workload: PeerAuthentication | undefined;
  /** Narrowest first. */
  readonly all: readonly (PeerAuthentication | undefined)[];
}

function peerLevels(policies: readonly PeerAuthentication[], subject: PolicySubject, rootNamespace: string): PeerLevels {
  const applying = byAge(policies.filter((policy) => applies(policy, subject, rootNamespace)));
  const mesh = applying.find((policy) => policy.metadata.namespace === rootNamespace && !hasSelector(policy));
  const namespace = applying.find((policy) => policy.metadata.namespace !== rootNamespace && !hasSelector(policy));
  const workload = applying.find((policy) => policy.metadata.namespace !== rootNamespace && hasSelector(policy));
  return { workload, all: [workload, namespace, mesh] };
}

/**
 * The narrowest policy that says something decides: port, workload (a selector), namespace, mesh (root namespace). Of several at one level
 * the oldest counts. A policy of the root namespace with a selector is for no workload, as in Istio.
 */
export function mtlsOf(policies: readonly PeerAuthentication[], subject: PolicySubject, rootNamespace: string): WorkloadMtls {
  const { workload, all } = peerLevels(policies, subject, rootNamespace);
  const mode = firstSet(all.map((policy) => policy?.spec.mtls?.mode)) ?? defaultMtlsMode;
  const ports = Object.entries(workload?.spec.portLevelMtls ?? {}).map(([port, { mode: own }]): readonly [number, EffectiveMtlsMode] => [
    Number(port),
    own === "UNSET" ? mode : own,
  ]);
  return { mode, ports: new Map(ports.toSorted(([a], [b]) => a - b)) };
}

/** The policy that mtlsOf's mode of a port comes from; undefined when none says anything. */
export function decidingPeerAuthentication(
  policies: readonly PeerAuthentication[],
  subject: PolicySubject,
  { rootNamespace, port }: { readonly rootNamespace: string; readonly port: number },
): PeerAuthentication | undefined {
  const { workload, all } = peerLevels(policies, subject, rootNamespace);
  const atPort = Object.entries(workload?.spec.portLevelMtls ?? {}).find(([number]) => Number(number) === port)?.[1].mode ?? "UNSET";
  return atPort === "UNSET" ? all.find((policy) => (policy?.spec.mtls?.mode ?? "UNSET") !== "UNSET") : workload;
}

/** The mode of one port of the application. */
export function mtlsModeOf({ mode, ports }: WorkloadMtls, port: number): EffectiveMtlsMode {
  return ports.get(port) ?? mode;
}

/** "STRICT", or "STRICT, 8080 PERMISSIVE" where ports differ. */
export function mtlsText({ mode, ports }: WorkloadMtls): string {
  const others = [...ports].filter(([, own]) => own !== mode).map(([port, own]) => `${port} ${own}`);
  return [mode, ...others].join(", ");
}

function firstSet(modes: readonly (MtlsMode | undefined)[]): EffectiveMtlsMode | undefined {
  return modes.find((mode) => mode !== undefined && mode !== "UNSET");
}
