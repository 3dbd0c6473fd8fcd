// The live graph of a large mesh: 1,000 services that call five others each, 5,000 edges, counted by both ends; from samples and mesh to the API's answer.

import { MeshGraph } from "../../src/app/telemetry/mesh-graph.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import { latencyEdgesMs } from "../../src/release/judging.ts";
import { joinParts } from "../../src/telemetry/composite-tags.ts";
import type { Delta } from "../../src/telemetry/exact-counters.ts";
import { expandTags } from "../../src/telemetry/expand-tags.ts";
import type { Labels } from "../../src/telemetry/point.ts";
import { SampleStore } from "../../src/telemetry/samples/sample-store.ts";
import { type StandardMetricName, standardMetricOf } from "../../src/telemetry/standard-metrics.ts";
import { parsed, snapshotOf, withEndpoints } from "../harness/world.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { summaryOf } from "./numbers.ts";

const target = { answerMs: 200 };
const sizes = { full: { services: 1000, callsEach: 5, rounds: 40 }, quick: { services: 40, callsEach: 5, rounds: 3 } } as const;
const startMs = 1_800_000_000_000;
/** Seconds that are in the store before the first question. */
const warmSeconds = 60;

async function run(context: BenchContext): Promise<Outcome> {
  const { services, callsEach, rounds } = context.quick ? sizes.quick : sizes.full;
  const clock = { nowMs: startMs };
  const samples = new SampleStore({ maxSeries: 200_000, maxBytes: 4 * 1024 ** 3 });
  const deltas = deltasOf(services, callsEach);
  const second = () => {
    for (const [index, own] of deltas.entries()) {
      const fromMs = clock.nowMs;
      samples.record({ kind: "next", source: proxyId(index), fromMs, toMs: fromMs + 1000, deltas: own });
    }
    clock.nowMs += 1000;
  };
  for (let index = 0; index < (context.quick ? 3 : warmSeconds); index += 1) second();
  const snapshot = snapshotOf(withEndpoints(resourcesOf(services)));
  const mesh = createModel().meshOf(snapshot, { resolved: new Map(), settled: new Map(), settings: defaultMeshSettings });
  context.progress(`${services} services, ${JSON.stringify(samples.report().series)} series`);
  const graph = new MeshGraph({
    mesh: () => mesh,
    store: { snapshot: () => snapshot },
    telemetry: { collector: { store: samples }, openConnections: () => [], nowMs: () => clock.nowMs },
    logsDir: "/nonexistent",
  });
  const ask = (windowMs: number) => timed(() => JSON.stringify(graph.edges({ windowMs })));
  const first = ask(10_000);
  const answers: Record<string, Timed[]> = { "10s": [], "60s": [], again: [], filtered: [] };
  for (let round = 0; round < rounds; round += 1) {
    second();
    answers["10s"]?.push(ask(10_000));
    answers["again"]?.push(ask(10_000));
    answers["filtered"]?.push(timed(() => JSON.stringify(graph.edges({ windowMs: 10_000, service: serviceName(1) }))));
    answers["60s"]?.push(ask(60_000));
    await new Promise((resolve) => setImmediate(resolve));
    context.signal.throwIfAborted();
  }
  const list = graph.edges({ windowMs: 10_000 });
  const { series, bytes } = samples.report();
  const measured = {
    services,
    edges: list.edges.length,
    nodes: list.nodes.length,
    series,
    samplesMb: Math.round(bytes / 1e6),
    answerMb: Number((JSON.stringify(list).length / 1e6).toFixed(2)),
    firstMs: Math.round(first.ms),
    ...Object.fromEntries(Object.entries(answers).map(([name, all]) => [`${name}Ms`, summaryOf(all.map(({ ms }) => ms))])),
    cpuMs: summaryOf((answers["10s"] ?? []).map(({ cpuMs }) => cpuMs)),
  };
  const worst = Math.max(...(answers["10s"] ?? []).map(({ ms }) => ms));
  return { measured, reached: { allEdges: list.edges.length === services * callsEach, answerMs: worst < target.answerMs } };
}

interface Timed {
  readonly ms: number;
  readonly cpuMs: number;
}

function timed(work: () => string): Timed {
  const cpu = process.cpuUsage();
  const before = performance.now();
  work();
  const ms = performance.now() - before;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

function serviceName(index: number): string {
  return `svc${String(index).padStart(4, "0")}`;
}

function proxyId(index: number): string {
  return `${serviceName(index)}-1.bench`;
}

function* resourceDocuments(services: number): Generator<object> {
  for (let index = 0; index < services; index += 1) {
    const name = serviceName(index);
    const labels = { app: name, version: "v1", "sidecar.istio.io/inject": "true" };
    yield {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "bench", labels },
      spec: { serviceAccountName: name, containers: [{ name: "main", image: "i" }] },
      status: { podIP: `10.1.${index >> 8}.${index & 255}`, conditions: [{ type: "Ready", status: "True" }] },
    };
    yield {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "bench" },
      spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
    };
    yield {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name, namespace: "bench" },
      spec: { hosts: [name], http: [{ route: [{ destination: { host: name } }] }] },
    };
  }
}

function resourcesOf(services: number) {
  return [...resourceDocuments(services)].map(parsed);
}

/** What each proxy counts in a second: its calls, and those of its callers. */
function deltasOf(services: number, callsEach: number): readonly (readonly Delta[])[] {
  const deltas = Array.from({ length: services }, (): Delta[] => []);
  for (let caller = 0; caller < services; caller += 1) {
    for (let call = 1; call <= callsEach; call += 1) {
      const server = (caller + call * 7) % services;
      for (const code of call === 1 ? ["200", "503"] : ["200"]) {
        deltas[caller]?.push(...edgeDeltas("source", { caller, server, code }));
        deltas[server]?.push(...edgeDeltas("destination", { caller, server, code }));
      }
    }
  }
  return deltas;
}

interface Call {
  readonly caller: number;
  readonly server: number;
  readonly code: string;
}

const histograms: readonly StandardMetricName[] = ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"];

function edgeDeltas(reporter: "source" | "destination", { caller, server, code }: Call): readonly Delta[] {
  const spiffe = (index: number) => `spiffe://cluster.local/ns/bench/sa/${serviceName(index)}`;
  const parts = (index: number) => joinParts([serviceName(index), "bench", serviceName(index), "v1", "Kubernetes"]);
  const isServer = reporter === "destination";
  const tags = {
    traffic: `${reporter};http`,
    source: isServer ? "san" : parts(caller),
    destination: parts(server),
    service: joinParts([`${serviceName(server)}.bench.svc.cluster.local`, serviceName(server), "bench", "80"]),
    response: `${code};-`,
    security: joinParts(isServer ? ["mutual_tls", spiffe(server), spiffe(caller)] : ["", spiffe(caller), spiffe(server)]),
  };
  const peerOf = () => ({ workload: serviceName(caller), namespace: "bench", version: "v1", canonicalName: serviceName(caller) });
  const key = `${reporter} ${caller} ${server} ${code}`;
  const labels = (name: StandardMetricName): Labels => {
    const metric = standardMetricOf(name);
    return metric === undefined ? {} : expandTags(metric, tags, { peerOf });
  };
  const counts = [...latencyEdgesMs.map((bound) => (bound === 5 || bound === 25 ? 5 : 0)), 0];
  return [
    { kind: "counter", key: `requests ${key}`, name: "istio_requests_total", labels: labels("istio_requests_total"), value: 10 },
    ...histograms.map((name) => {
      return { kind: "histogram" as const, key: `${name} ${key}`, name, labels: labels(name), bounds: latencyEdgesMs, counts, sum: 100 };
    }),
  ];
}

export const benchmark: Benchmark = {
  name: "graph-world",
  summary: "the live graph of 1,000 services and 5,000 edges, counted by both ends, from samples to the answer",
  target,
  run,
};
