// The benchmarks by name; each is loaded only when it runs.

import type { Benchmark } from "./benchmark.ts";

interface Entry {
  readonly name: string;
  readonly load: () => Promise<{ readonly benchmark: Benchmark }>;
}

export const catalogue: readonly Entry[] = [
  { name: "up", load: () => import("./up.ts") },
  { name: "cli-start", load: () => import("./cli-start.ts") },
  { name: "start-again", load: () => import("./start-again.ts") },
  { name: "weight-demo", load: () => import("./weight-demo.ts") },
  { name: "weight-world", load: () => import("./weight-world.ts") },
  { name: "structure-world", load: () => import("./structure-world.ts") },
  { name: "rotation-world", load: () => import("./rotation-world.ts") },
  { name: "sidecar-cost", load: () => import("./sidecar-cost.ts") },
  { name: "mtls-cost", load: () => import("./mtls-cost.ts") },
  { name: "telemetry-cost", load: () => import("./telemetry-cost.ts") },
  { name: "telemetry-world", load: () => import("./telemetry-world.ts") },
  { name: "telemetry-hour", load: () => import("./telemetry-hour.ts") },
  { name: "telemetry-transport", load: () => import("./telemetry-transport.ts") },
  { name: "telemetry-visible", load: () => import("./telemetry-visible.ts") },
  { name: "pods", load: () => import("./pods.ts") },
  { name: "ca", load: () => import("./ca.ts") },
  { name: "graph-world", load: () => import("./graph-world.ts") },
  { name: "releases-200", load: () => import("./releases-200.ts") },
  { name: "release-bad", load: () => import("./release-bad.ts") },
  { name: "release-slow", load: () => import("./release-slow.ts") },
  { name: "release-moves", load: () => import("./release-moves.ts") },
  { name: "release-healthy", load: () => import("./release-healthy.ts") },
  { name: "stats", load: () => import("./stats.ts") },
];
