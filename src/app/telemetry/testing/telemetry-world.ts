// A control plane's telemetry over a mesh of two pods, and reports as their proxies send them, for tests.

import { create, toBinary } from "@bufbuild/protobuf";
import { ExportLogsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.js";
import { ExportMetricsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.js";
import { AggregationTemporality } from "#envoy/opentelemetry/proto/metrics/v1/metrics_pb.js";
import { silentLogger } from "../../../lib/log.ts";
import { defaultMeshSettings, type MeshProxy } from "../../../model/mesh.ts";
import { connectionAttributes, connectionLogName } from "../../../telemetry/connection-log.ts";
import { type WindowRow, windowOf } from "../../../telemetry/samples/window.ts";
import { MeshTelemetry, type MeshTelemetryOptions } from "../mesh-telemetry.ts";

/** When the world begins. */
export const startMs = 1_800_000_000_000;

function proxy(podName: string, app: string, { version, address }: { readonly version: string; readonly address: string }): MeshProxy {
  const labels = { app, version };
  const workload = { name: `${app}-${version}`, namespace: "shop", labels, pod: podName };
  return {
    id: `${podName}.shop`,
    kind: "sidecar",
    podName,
    podUid: podName,
    namespace: "shop",
    address,
    labels,
    serviceAccount: app,
    workload,
    inbound: [],
  };
}

/** A client, of version v1. */
export const web = proxy("web-1", "web", { version: "v1", address: "198.18.0.9" });
/** Its server, of version v2. */
export const orders = proxy("orders-1", "orders", { version: "v2", address: "198.18.0.5" });

export interface TelemetryWorld extends Disposable {
  readonly telemetry: MeshTelemetry;
  /** The clock, and who is in the mesh: the test moves them. */
  readonly world: { nowMs: number; proxies: ReadonlyMap<string, MeshProxy> };
  /** By names that answers to Prometheus have of the sources. */
  sum(name: string, by?: readonly string[]): readonly WindowRow[];
}

/** A control plane's telemetry with a mesh and a clock that the test moves. */
export function telemetryWorld(options: Partial<MeshTelemetryOptions> = {}): TelemetryWorld {
  const world = { nowMs: startMs, proxies: new Map([web, orders].map((one) => [one.id, one])) };
  const telemetry = new MeshTelemetry({
    mesh: () => ({ proxies: world.proxies, settings: defaultMeshSettings }),
    logger: silentLogger,
    nowMs: () => world.nowMs,
    ...options,
  });
  return {
    telemetry,
    world,
    [Symbol.dispose]: () => telemetry.close(),
    sum: (name, by = []) => windowOf(telemetry.collector.store, { name, by, fromMs: startMs - 60_000, toMs: world.nowMs + 60_000 }),
  };
}

export type Tags = Readonly<Record<string, string>>;

function attributesOf(tags: Tags) {
  return Object.entries(tags).map(([key, value]) => ({ key, value: { value: { case: "stringValue", value } } }) as const);
}

/** A flush of a process that began with the test. */
export function metricBytes(value: number, atMs: number, tags: readonly Tags[]): Uint8Array {
  const times = { startTimeUnixNano: BigInt(startMs) * 1_000_000n, timeUnixNano: BigInt(atMs) * 1_000_000n };
  const dataPoints = tags.map(
    (one) => ({ ...times, value: { case: "asInt", value: BigInt(value) }, attributes: attributesOf(one) }) as const,
  );
  const sum = { aggregationTemporality: AggregationTemporality.CUMULATIVE, isMonotonic: true, dataPoints };
  const metrics = [{ name: "istio_requests_total", data: { case: "sum", value: sum } } as const];
  return toBinary(
    ExportMetricsServiceRequestSchema,
    create(ExportMetricsServiceRequestSchema, { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] }),
  );
}

/** A proxy's log of connections, numbered from 1 unless their tags say otherwise. */
export function connectionBytes(received: number, type: string, ...all: readonly Tags[]): Uint8Array {
  const logRecords = all.map((tags, index) => ({
    timeUnixNano: BigInt(startMs + 100) * 1_000_000n,
    attributes: attributesOf({
      [connectionAttributes.connection]: String(index + 1),
      [connectionAttributes.logType]: type,
      [connectionAttributes.received]: String(received),
      [connectionAttributes.sent]: "0",
      ...tags,
    }),
  }));
  const resource = { attributes: attributesOf({ log_name: connectionLogName }) };
  return toBinary(
    ExportLogsServiceRequestSchema,
    create(ExportLogsServiceRequestSchema, { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
  );
}

/** The SPIFFE id of a service account. */
export const principal = (account: string) => `spiffe://cluster.local/ns/shop/sa/${account}`;
/** Tags of a request from web to orders, as both proxies count it. */
export const atClient = {
  traffic: "source;http",
  destination: "orders-v2;shop;orders;v2;Kubernetes",
  response: "200;-",
  security: `unknown;;${principal("orders")}`,
};
export const atServer = {
  traffic: "destination;http",
  source: "v1.web-v1.shop.workload.lateen",
  response: "200;-",
  security: `mutual_tls;;${principal("web")}`,
};
