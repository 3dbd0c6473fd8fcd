// What Prometheus sees: the series of all proxies with their pods' names, the control plane's own, pods' pages by the node, and the targets.

import type { Pod } from "../../api/kubernetes/pod.ts";
import type { MetricsView } from "../../http/metrics-contract.ts";
import { NotFound } from "../../lib/errors.ts";
import type { Mesh } from "../../model/mesh.ts";
import { proxyKindOf } from "../../model/proxies.ts";
import type { Store } from "../../store/store.ts";
import type { Collector } from "../../telemetry/collector.ts";
import type { Labels } from "../../telemetry/point.ts";
import { applicationTargetOf } from "../../telemetry/prometheus/application-target.ts";
import { type DiscoveredPod, targetGroupsOf } from "../../telemetry/prometheus/discovery.ts";
import type { Family } from "../../telemetry/prometheus/family.ts";
import { mergeFamilies } from "../../telemetry/prometheus/merge.ts";
import { writeText } from "../../telemetry/prometheus/write-text.ts";
import { externalNamespace } from "../external-hosts.ts";
import { lateenVersion } from "../versions.ts";
import { askNode } from "./ask-node.ts";

/** The one node there is, as the downward API names it. */
const nodeName = "local";

export interface MeshMetricsOptions {
  readonly store: Store;
  readonly mesh: () => Mesh | undefined;
  readonly collector: Collector;
  /** The control plane's own families. */
  readonly own: () => Promise<readonly Family[]>;
  /** Socket at which the node serves pods' pages. */
  readonly nodeSocket: string;
  /** Where the metrics port listens: host:port. */
  readonly address: () => string;
}

/** Builds the view over the running parts. */
export function meshMetrics(options: MeshMetricsOptions): MetricsView {
  const { store, mesh, collector, own, nodeSocket, address } = options;
  const controlPlane = async () => (await own()).map((family) => withLabels(family, controlPlaneLabels));
  return {
    controlPlane,
    mesh: async (format) => {
      const others = mergeFamilies([[proxyBuilds(mesh())], await controlPlane()]).families;
      return joined(
        collector.text(format, (source) => podLabels(source, mesh())),
        writeText(others, format),
      );
    },
    proxy: (namespace, name) => {
      const proxy = [...(mesh()?.proxies.values() ?? [])].find((one) => one.namespace === namespace && one.podName === name);
      if (proxy === undefined) throw new NotFound(`the pod ${namespace}/${name} has no proxy`);
      return { families: [...collector.families({ source: proxy.id }), buildFamily([{}])] };
    },
    podPage: (path, accept) => askNode(nodeSocket, path, accept),
    targets: (kind) => targetGroupsOf(discoveredPods(store), { kind, address: address(), node: nodeName }),
  };
}

function* joined(...texts: readonly Iterable<string>[]): Generator<string> {
  for (const text of texts) yield* text;
}

/** istio_build of every proxy. */
function proxyBuilds(mesh: Mesh | undefined): Family {
  return buildFamily([...(mesh?.proxies.keys() ?? [])].map((id) => podLabels(id, mesh)));
}

function buildFamily(places: readonly Labels[]): Family {
  const samples = places.map((labels) => ({
    name: "istio_build",
    labels: Object.entries({ component: "proxy", tag: lateenVersion(), ...labels }),
    value: 1,
  }));
  return { name: "istio_build", type: "gauge", help: "The component's version.", samples };
}

/** As Istio's control plane would be found in a cluster. */
const controlPlaneLabels: Labels = { app: "istiod", namespace: "istio-system", node: nodeName };

/** The labels that a Prometheus adds which scrapes each pod. The proxy may have gone; its name has the pod's. */
function podLabels(proxyId: string, mesh: Mesh | undefined): Labels {
  const proxy = mesh?.proxies.get(proxyId);
  const cut = proxyId.lastIndexOf(".");
  return { pod: proxy?.podName ?? proxyId.slice(0, cut), namespace: proxy?.namespace ?? proxyId.slice(cut + 1), node: nodeName };
}

/** A series' own label wins, as with a Prometheus' honor_labels: a release's namespace says more than the control plane's. */
function withLabels(family: Family, labels: Labels): Family {
  const more = Object.entries(labels);
  const added = (own: readonly (readonly [string, string])[]) => more.filter(([name]) => !own.some(([known]) => known === name));
  return { ...family, samples: family.samples.map((sample) => ({ ...sample, labels: [...sample.labels, ...added(sample.labels)] })) };
}

/** Pods that run, without the stand-ins for hosts outside. */
function discoveredPods(store: Store): readonly DiscoveredPod[] {
  return store
    .snapshot()
    .list("Pod")
    .filter(({ metadata, status }) => metadata.namespace !== externalNamespace && status?.phase === "Running")
    .map(discoveredPod);
}

function discoveredPod(pod: Pod): DiscoveredPod {
  const { namespace = "default", name, labels, annotations } = pod.metadata;
  return {
    namespace,
    name,
    ip: pod.status?.podIP ?? "",
    labels: labels ?? {},
    hasProxy: proxyKindOf(pod) !== undefined,
    hasApplication: applicationTargetOf(annotations) !== undefined,
  };
}
