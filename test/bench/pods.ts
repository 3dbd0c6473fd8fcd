// The local runtime alone: creates and deletes 50 pods, and opens connections through the egress and DNS.

import { once } from "node:events";
import { createServer } from "node:http";
import { startTestNode } from "../../src/platform/local/testing/node-harness.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";

const counts = { full: { pods: 50, requests: 2000, queries: 500 }, quick: { pods: 5, requests: 100, queries: 50 } };

async function run({ quick, cleanup }: BenchContext): Promise<Outcome> {
  const count = quick ? counts.quick : counts.full;
  const server = createServer((_request, response) => response.end("ok")).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const start = performance.now();
  const node = await startTestNode({ dialer: { targetOf: () => "127.0.0.1" } });
  cleanup.defer(() => node.close());
  const startMs = Math.round(performance.now() - start);
  const pods = await node.run("manyPods", { count: count.pods });
  const egress = await node.run("burst", { url: `http://203.0.113.5:${port}/`, count: count.requests, parallel: 50 });
  const dns = await node.run("dnsBurst", { count: count.queries });
  return { measured: { user: process.getuid?.() === 0 ? "root" : "ordinary", startMs, pods, egress, dns }, reached: {} };
}

export const benchmark: Benchmark = {
  name: "pods",
  summary: "the local runtime: 50 pods made and removed, connections through egress and DNS",
  target: {},
  run,
};
