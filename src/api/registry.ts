// All kinds the mesh knows, in one table; types of resources follow from it.

import type { z } from "zod";
import { kubernetesKinds } from "./kubernetes/kinds.ts";
import { networkingKinds } from "./networking/kinds.ts";
import { releaseKinds } from "./release/kinds.ts";
import { securityKinds } from "./security/kinds.ts";
import { telemetryKinds } from "./telemetry/kinds.ts";

/** The table: kind name to definition. A kind name is unique over all groups here. */
export const kinds = { ...kubernetesKinds, ...networkingKinds, ...securityKinds, ...releaseKinds, ...telemetryKinds };

export type KindName = keyof typeof kinds;

/** The parsed value of a kind: durations parsed, defaults filled in, frozen. */
export type ResourceOf<K extends KindName> = z.output<(typeof kinds)[K]["schema"]>;

/** Any parsed resource; narrow by `kind`. */
export type AnyResource = ResourceOf<KindName>;

export type AnyKind = (typeof kinds)[KindName];

/** Kinds of Istio that are recognised and refused with a clear message until something acts on them. */
const notSupportedYet: ReadonlySet<string> = new Set([
  "networking.istio.io/Sidecar",
  "networking.istio.io/WorkloadEntry",
  "networking.istio.io/WorkloadGroup",
  "networking.istio.io/EnvoyFilter",
  "networking.istio.io/ProxyConfig",
  "extensions.istio.io/WasmPlugin",
  "extensions.istio.io/TrafficExtension",
  "apps/StatefulSet",
  "apps/DaemonSet",
  "batch/Job",
  "batch/CronJob",
  "networking.k8s.io/Ingress",
  "networking.k8s.io/NetworkPolicy",
  "autoscaling/HorizontalPodAutoscaler",
  "policy/PodDisruptionBudget",
  "rbac.authorization.k8s.io/Role",
  "rbac.authorization.k8s.io/RoleBinding",
  "rbac.authorization.k8s.io/ClusterRole",
  "rbac.authorization.k8s.io/ClusterRoleBinding",
  "gateway.networking.k8s.io/Gateway",
  "gateway.networking.k8s.io/GatewayClass",
  "gateway.networking.k8s.io/HTTPRoute",
  "gateway.networking.k8s.io/GRPCRoute",
  "gateway.networking.k8s.io/TCPRoute",
  "gateway.networking.k8s.io/TLSRoute",
  "/PersistentVolumeClaim",
  "/PersistentVolume",
  "/Endpoints",
]);

/** Those kinds as "group/Kind", sorted. */
export const kindsNotSupportedYet: readonly string[] = [...notSupportedYet].toSorted();

/** True for a kind that exists in Istio or Kubernetes and that nothing here acts on yet. */
export function isNotSupportedYet(group: string, kind: string): boolean {
  return notSupportedYet.has(`${group}/${kind}`);
}

/** Narrows a text to a kind's name. */
export function isKindName(text: string): text is KindName {
  return Object.hasOwn(kinds, text);
}

/** Splits "apps/v1" and "v1" into group and version. */
export function groupVersionOf(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? { group: "", version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** The definition for an apiVersion and kind; undefined when group, version or kind is unknown. */
export function kindOf(apiVersion: string, kind: string): AnyKind | undefined {
  if (!isKindName(kind)) return undefined;
  const definition: AnyKind = kinds[kind];
  const { group, version } = groupVersionOf(apiVersion);
  return definition.group === group && accepts(definition, version) ? definition : undefined;
}

/** The definition behind an API path: /apis/<group>/<version>/…/<plural>. */
export function kindByPlural(group: string, version: string, plural: string): AnyKind | undefined {
  return allKinds().find((definition) => definition.plural === plural && definition.group === group && accepts(definition, version));
}

/** All definitions, sorted by kind. */
export function allKinds(): readonly AnyKind[] {
  return sortedKinds;
}

const sortedKinds: readonly AnyKind[] = Object.values(kinds).toSorted((a, b) => (a.kind < b.kind ? -1 : 1));

function accepts(definition: AnyKind, version: string): boolean {
  const versions: readonly string[] = definition.versions;
  return versions.includes(version);
}
