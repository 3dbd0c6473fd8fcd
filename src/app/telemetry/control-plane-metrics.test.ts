// The control plane's own metrics by Istio's names: fed by observers, and what is read when somebody scrapes.

import { expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { writeText } from "../../telemetry/prometheus/write-text.ts";
import { ControlPlaneMetrics } from "./control-plane-metrics.ts";

function started() {
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID() });
  const metrics = new ControlPlaneMetrics({
    version: "1.2.3",
    store,
    proxies: () => [
      { isConnected: true, isAcknowledged: false },
      { isConnected: true, isAcknowledged: true },
      { isConnected: false, isAcknowledged: false },
    ],
    services: () => 4,
    certificates: { issued: () => 5, rootExpiryMs: () => 7000, chainExpiryMs: () => 6000 },
    refusedStreams: () => new Map([["node id", 2]]),
    findings: () => [{ severity: "warning" }],
    storeBytes: () => 9,
    dataAgesSeconds: () => [1, 7, Number.POSITIVE_INFINITY],
  });
  store.subscribe(metrics.onStore);
  const page = async () => [...writeText(await metrics.families(), "prometheus")].join("");
  return { store, metrics, page };
}

const service = (name: string) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: { ports: [{ port: 80 }] },
});

test("what is read when somebody scrapes, twice the same", async () => {
  const { page } = started();
  for (const text of [await page(), await page()]) {
    for (const line of [
      'istio_build{component="pilot",tag="1.2.3"} 1',
      'pilot_xds{version="1.2.3"} 2',
      "pilot_services 4",
      "lateen_telemetry_data_age_seconds 7",
      "lateen_telemetry_silent_proxies 2",
      "lateen_proxies 3",
      "lateen_proxies_unacknowledged 1",
      "citadel_server_success_cert_issuance_count 5",
      "citadel_server_root_cert_expiry_timestamp 7",
      'lateen_xds_refused_streams_total{reason="node id"} 2',
      'lateen_findings{severity="error"} 0',
      'lateen_findings{severity="warning"} 1',
      'pilot_xds_pushes{type="cds"} 0',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toContain("process_cpu_seconds_total");
  }
});

test("what happens between the server and its proxies", async () => {
  const { metrics, page } = started();
  metrics.onXds({ kind: "sent", type: "lds", sizeBytes: 500 });
  metrics.onXds({ kind: "sent", type: "lds", sizeBytes: 20_000 });
  metrics.onXds({ kind: "taken", ms: 20 });
  metrics.onXds({ kind: "refused", type: "lds" });
  metrics.onXds({ kind: "converged", ms: 70 });
  const text = await page();
  for (const line of [
    'pilot_xds_pushes{type="lds"} 2',
    'pilot_xds_config_size_bytes_bucket{le="10000",type="lds"} 1',
    'pilot_xds_config_size_bytes_sum{type="lds"} 20500',
    'pilot_xds_send_time_bucket{le="0.05"} 1',
    'pilot_total_xds_rejects{type="lds"} 1',
    'pilot_proxy_convergence_time_bucket{le="0.05"} 0',
    'pilot_proxy_convergence_time_bucket{le="+Inf"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});

test("changes of objects, and objects that were taken or refused", async () => {
  const { store, metrics, page } = started();
  const parser = metrics.countedParser(apiParser);
  store.create(service("web"));
  parser.parse(service("web"));
  parser.parse({ ...service("web"), spec: { ports: "none" } });
  parser.parse({ apiVersion: "evil.example/v9", kind: "Nothing", metadata: { name: "x" } });
  const text = await page();
  for (const line of [
    'pilot_k8s_reg_events{type="Service",event="add"} 1',
    'pilot_push_triggers{type="service"} 1',
    'galley_validation_passed{group="",version="v1",resource="Service"} 1',
  ]) {
    expect(text).toContain(`${line.replace('group="",', "")}\n`);
  }
  expect(text).toMatch(/galley_validation_failed\{version="v1",resource="Service",reason="LTN\d+"\} 1\n/);
  expect(text).toMatch(/galley_validation_failed\{resource="unknown",reason="LTN\d+"\} 1\n/);
  expect(text).not.toContain("evil.example");
});

test("releases: phase, weight, share and evidence of each, and what became of webhooks", async () => {
  const { metrics, page } = started();
  const common = { namespace: "shop", step: 2, steps: 5, failedRequests: 3 };
  metrics.showReleases(() => [
    { ...common, release: "catalog", phase: "Progressing", weightPercent: 5, sharePercent: 4.8, evidence: { harm: 1.5, threshold: 4.6 } },
    { ...common, release: "cart", phase: "Idle", weightPercent: 0 },
  ]);
  metrics.onWebhook("dropped");
  const text = await page();
  for (const line of [
    'lateen_release_phase{namespace="shop",release="catalog",phase="Progressing"} 1',
    'lateen_release_weight_percent{namespace="shop",release="catalog"} 5',
    'lateen_release_share_percent{namespace="shop",release="catalog"} 4.8',
    'lateen_release_evidence_log{namespace="shop",release="catalog"} 1.5',
    'lateen_release_evidence_threshold_log{namespace="shop",release="catalog"} 4.6',
    'lateen_release_step{namespace="shop",release="cart"} 2',
    'lateen_release_failed_requests{namespace="shop",release="cart"} 3',
    'lateen_release_webhooks_total{result="dropped"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(text).not.toContain('lateen_release_evidence_log{namespace="shop",release="cart"}');
});
