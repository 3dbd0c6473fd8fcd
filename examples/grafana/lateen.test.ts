// Dashboards name series and labels that there are: ours, and Istio's official ones as far as we say that they have data.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { ControlPlaneMetrics } from "../../src/app/telemetry/control-plane-metrics.ts";
import { releaseSeries } from "../../src/app/telemetry/release-series.ts";
import { telemetryFamilies } from "../../src/app/telemetry/telemetry-families.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { apiParser } from "../../src/store/api-parser.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { SampleStore } from "../../src/telemetry/samples/sample-store.ts";
import { standardLabels, standardMetrics } from "../../src/telemetry/standard-metrics.ts";

const targets = z.array(z.object({ refId: z.string(), expr: z.string() }));
const dashboardSchema = z.object({ panels: z.array(z.object({ id: z.number(), title: z.string(), targets })) });
const dashboard = dashboardSchema.parse(JSON.parse(readFileSync(join(import.meta.dirname, "lateen.json"), "utf8")));

/** Name → labels, of everything that a Prometheus gets from the mesh's page. */
async function series(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID() });
  const own = new ControlPlaneMetrics({
    version: "1",
    store,
    proxies: () => [],
    services: () => 0,
    certificates: { issued: () => 0, rootExpiryMs: () => 0, chainExpiryMs: () => 0 },
    refusedStreams: () => new Map(),
    findings: () => [],
    storeBytes: () => 0,
    dataAgesSeconds: () => [],
  });
  store.subscribe(own.onStore);
  for (const kind of ["Service", "VirtualService"] as const) {
    const networking = kind === "VirtualService" ? { hosts: ["a"], http: [{ route: [{ destination: { host: "a" } }] }] } : undefined;
    const apiVersion = kind === "Service" ? "v1" : "networking.istio.io/v1";
    store.create({ apiVersion, kind, metadata: { name: "a", namespace: "d" }, spec: networking ?? { ports: [{ port: 80 }] } });
  }
  const parser = own.countedParser(apiParser);
  parser.parse({ apiVersion: "v1", kind: "Service", metadata: { name: "b", namespace: "d" }, spec: { ports: [{ port: 80 }] } });
  parser.parse({ apiVersion: "v1", kind: "Service", metadata: { name: "b", namespace: "d" }, spec: { ports: "no" } });
  for (const event of [{ kind: "sent", type: "lds", sizeBytes: 1 } as const, { kind: "refused", type: "lds" } as const]) own.onXds(event);
  const counts = { reports: 0, bytes: 0, refused: 0 };
  const telemetry = telemetryFamilies({
    report: new SampleStore().report(),
    refusedTotals: 0,
    signals: { metrics: counts, logs: counts, traces: counts },
    openConnections: 0,
    refusedConnections: 0,
    droppedTrials: 0,
    proxiesAtLimit: 0,
  });
  const found = new Map<string, Set<string>>();
  const add = (name: string, labels: readonly string[]) =>
    found.set(name, new Set([...(found.get(name) ?? []), ...labels, "app", "namespace", "pod", "node"]));
  for (const { name, type, samples } of [...(await own.families()), ...telemetry]) {
    add(name, []);
    if (type === "histogram") add(`${name}_bucket`, ["le"]);
    for (const sample of samples)
      add(
        sample.name,
        sample.labels.map(([label]) => label),
      );
  }
  for (const { name } of releaseSeries) add(name, ["namespace", "release", "phase"]);
  for (const { name, type } of standardMetrics)
    for (const suffix of type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) add(`${name}${suffix}`, [...standardLabels, "le"]);
  return found;
}

test("our own dashboard", async () => {
  const known = await series();
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  for (const { expr } of dashboard.panels.flatMap((panel) => panel.targets)) {
    const names = [...expr.matchAll(/\b(?:istio|pilot|lateen|process|nodejs)_\w+/g)].map(([name]) => name);
    expect([expr, names.length > 0]).toEqual([expr, true]);
    const labels = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/));
    const matchers = [...expr.matchAll(/(\w+)\s*(?:=~|!=|!~|=)\s*"/g)].map(([, label = ""]) => label);
    for (const name of names) {
      expect([...known.keys()]).toContain(name);
      for (const label of [...labels, ...matchers]) expect([name, label, known.get(name)?.has(label)]).toEqual([name, label, true]);
    }
  }
});

const peers = ["reporter", "source_workload", "source_workload_namespace", "destination_service"];
const workloads = ["destination_workload", "destination_workload_namespace", "connection_security_policy", "source_cluster"];
/** What the queries of Istio's dashboards read (istio/istio, manifests/addons/dashboards): series and the labels they are chosen or grouped by. */
const read: readonly (readonly [dashboard: string, series: string, labels: readonly string[]])[] = [
  ["Mesh", "istio_requests_total", ["reporter", "response_code", "destination_workload", "destination_service"]],
  ["Mesh", "istio_build", ["component", "tag"]],
  ["Service, Workload", "istio_requests_total", [...peers, ...workloads, "response_code"]],
  ["Service, Workload", "istio_request_duration_milliseconds_bucket", [...peers, ...workloads, "le"]],
  ["Service, Workload", "istio_request_bytes_bucket", [...peers, ...workloads, "le"]],
  ["Service, Workload", "istio_response_bytes_bucket", [...peers, ...workloads, "le"]],
  ["Mesh, Service, Workload", "istio_tcp_sent_bytes_total", [...peers, ...workloads]],
  ["Mesh, Service, Workload", "istio_tcp_received_bytes_total", [...peers, ...workloads]],
  ["Performance", "istio_response_bytes_sum", peers],
  ["Performance", "process_resident_memory_bytes", ["app"]],
  ["Performance", "process_cpu_seconds_total", ["app"]],
  ["Control Plane", "pilot_xds_pushes", ["type"]],
  ["Control Plane", "pilot_xds", []],
  ["Control Plane", "pilot_total_xds_rejects", ["type"]],
  ["Control Plane", "pilot_xds_config_size_bytes_bucket", ["le"]],
  ["Control Plane", "pilot_k8s_reg_events", ["type", "event"]],
  ["Control Plane", "pilot_k8s_cfg_events", ["type", "event"]],
  ["Control Plane", "pilot_push_triggers", ["type"]],
  ["Control Plane", "galley_validation_passed", []],
  ["Control Plane", "galley_validation_failed", []],
];

test("what Istio's dashboards ask for", async () => {
  const known = await series();
  for (const [name, metric, labels] of read) {
    expect([name, metric, known.has(metric)]).toEqual([name, metric, true]);
    for (const label of labels) expect([name, metric, label, known.get(metric)?.has(label)]).toEqual([name, metric, label, true]);
  }
});
