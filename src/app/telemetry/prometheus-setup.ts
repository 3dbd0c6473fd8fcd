// The configuration of a Prometheus for a running mesh, and how Grafana finds it and Istio's dashboards. Text only; nothing is started here.

import { stringify } from "yaml";

export interface PrometheusSetup {
  /** The mesh's metrics port on 127.0.0.1. */
  readonly metricsPort: number;
  /** Rule files by path, absolute or beside the configuration. */
  readonly ruleFiles: readonly string[];
  /** Each pod is a target, as in a cluster; otherwise one page has all proxies. */
  readonly perPod: boolean;
}

/** Releases are judged by the second; dashboards are fine with five. */
const interval = "5s";

/** The text of prometheus.yml. */
export function prometheusConfig({ metricsPort, ruleFiles, perPod }: PrometheusSetup): string {
  const address = `127.0.0.1:${metricsPort}`;
  const discovered = (job: string, kind: string): object => ({
    job_name: job,
    http_sd_configs: [{ url: `http://${address}/sd/${kind}`, refresh_interval: interval }],
  });
  const mesh = { job_name: "lateen", honor_labels: true, static_configs: [{ targets: [address] }] };
  // The mesh's page has all proxies: beside pods of their own they would be counted twice.
  const ownOnly = { ...mesh, metrics_path: "/control-plane/metrics" };
  return stringify({
    global: { scrape_interval: interval, evaluation_interval: interval },
    rule_files: ruleFiles,
    scrape_configs: perPod ? [ownOnly, discovered("pods", "pods")] : [mesh, discovered("applications", "applications")],
  });
}

export interface IstioDashboard {
  /** At grafana.com. */
  readonly id: number;
  readonly name: string;
  /** The panels that stay empty, and why; undefined where all have data. */
  readonly without?: string;
}

/** Istio's dashboards (istio/istio, manifests/addons/dashboards), which read series and labels that are here too. */
export const istioDashboards: readonly IstioDashboard[] = [
  { id: 7639, name: "Istio Mesh" },
  { id: 7636, name: "Istio Service" },
  { id: 7630, name: "Istio Workload" },
  {
    id: 7645,
    name: "Istio Control Plane",
    without:
      "memory, allocations, CPU and goroutines (cAdvisor's and Go's series), push time, injection, connections as clients report them",
  },
  {
    id: 11829,
    name: "Istio Performance",
    without: "all that cAdvisor counts of containers; bytes, versions and the process's own are there",
  },
];

/** A file for Grafana's provisioning/datasources. */
export function grafanaDatasource(prometheusUrl: string): string {
  return stringify({
    apiVersion: 1,
    datasources: [
      {
        // Istio's dashboards ask for a source of this name.
        name: "Prometheus",
        type: "prometheus",
        access: "proxy",
        url: prometheusUrl,
        isDefault: true,
        // Otherwise Grafana takes 15 s for granted, and averages over a minute.
        jsonData: { timeInterval: interval },
      },
    ],
  });
}

/** A file for Grafana's provisioning/dashboards: all dashboards of a folder. */
export function grafanaDashboards(folder: string): string {
  return stringify({ apiVersion: 1, providers: [{ name: "Lateen", type: "file", options: { path: folder } }] });
}
