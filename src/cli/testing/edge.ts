// An edge for tests of the graph's views, with what a test wants to be otherwise.

import type { MeshEdge } from "../../analyze/edges/mesh-edge.ts";

const identity = (name: string) => `spiffe://cluster.local/ns/shop/sa/${name}`;

/** A live edge with mutual TLS. */
export const edge = (more: Partial<MeshEdge> = {}): MeshEdge => ({
  from: { name: "shop/web", kind: "workload", identity: identity("web") },
  to: { name: "shop/db", kind: "workload", identity: identity("db") },
  version: "v1",
  service: "db.shop.svc.cluster.local",
  port: 80,
  protocol: "http",
  encryption: "mtls",
  mirrored: false,
  reporter: "source",
  requests: 25,
  requestsPerSecond: 2.5,
  failed: 1,
  failedShare: 0.04,
  latency: { p50: 1.5, p95: 20, p99: 250 },
  connections: 0,
  open: undefined,
  bytesReceivedPerSecond: 200,
  bytesSentPerSecond: 1300,
  state: "live",
  seconds: 10,
  missing: 0,
  ...more,
});
