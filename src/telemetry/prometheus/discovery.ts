// Pods → targets for a Prometheus on the host, as file_sd and http_sd have them: each pod is a path of one address on loopback.

import { labelName } from "./family.ts";

/** What discovery knows of a pod. */
export interface DiscoveredPod {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  readonly labels: Readonly<Record<string, string>>;
  /** It has an Envoy, whose series it shows. */
  readonly hasProxy: boolean;
  /** It asks for its application to be scraped. */
  readonly hasApplication: boolean;
}

/** One entry of a file_sd or http_sd list. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Which pages are listed: "pods" has each pod's proxy and application merged, as Istio's 15020; "applications" only what applications show, for
 * those who take the proxies' series from the mesh's own page.
 */
export const discoveryKinds = ["pods", "applications"] as const;
export type DiscoveryKind = (typeof discoveryKinds)[number];

const pages: Readonly<Record<DiscoveryKind, string>> = { pods: "stats/prometheus", applications: "application" };

/** The path of a pod's page on the metrics port. */
function podPagePath(pod: Pick<DiscoveredPod, "namespace" | "name">, kind: DiscoveryKind): string {
  return `/pods/${pod.namespace}/${pod.name}/${pages[kind]}`;
}

/** The targets, sorted by their path. `address` is where the metrics port listens, `node` the name of the machine in the mesh. */
export function targetGroupsOf(
  pods: readonly DiscoveredPod[],
  options: { kind: DiscoveryKind; address: string; node: string },
): readonly TargetGroup[] {
  const { kind, address, node } = options;
  return pods
    .filter((pod) => pod.ip !== "" && (kind === "applications" ? pod.hasApplication : pod.hasProxy || pod.hasApplication))
    .map((pod) => ({ targets: [address], labels: labelsOf(pod, { kind, node }) }))
    .toSorted((a, b) => (pathIn(a) < pathIn(b) ? -1 : 1));
}

const pathIn = ({ labels }: TargetGroup): string => labels["__metrics_path__"] ?? "";

/** Labels that say which target it is; a pod's own labels never replace them. */
function labelsOf(pod: DiscoveredPod, { kind, node }: { kind: DiscoveryKind; node: string }): Readonly<Record<string, string>> {
  const { namespace, name, ip, hasProxy } = pod;
  const own = new Map<string, string>();
  const meta = new Map<string, string>();
  for (const label of Object.keys(pod.labels).sort()) {
    const value = pod.labels[label] ?? "";
    const safe = label.replace(/[^a-zA-Z0-9_]/g, "_");
    meta.set(`__meta_kubernetes_pod_label_${safe}`, value);
    // As a labelmap over a pod's labels; two underscores in front are Prometheus' own.
    if (labelName.test(safe) && !safe.startsWith("__") && !reserved.has(safe)) own.set(safe, value);
  }
  return {
    ...Object.fromEntries(own),
    namespace,
    pod: name,
    node,
    ...(kind === "pods" && hasProxy ? { container: "istio-proxy" } : {}),
    instance: kind === "pods" ? `${ip}:15020` : `${namespace}/${name}`,
    __metrics_path__: podPagePath(pod, kind),
    // For relabelling rules that were written for kubernetes_sd.
    __meta_kubernetes_namespace: namespace,
    __meta_kubernetes_pod_name: name,
    __meta_kubernetes_pod_ip: ip,
    __meta_kubernetes_pod_node_name: node,
    ...Object.fromEntries(meta),
  };
}

const reserved: ReadonlySet<string> = new Set(["namespace", "pod", "node", "container", "instance", "job"]);
