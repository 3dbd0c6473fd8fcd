// Creates and deletes 50 pods and opens connections through the egress and DNS; prints one JSON object. Run it with Node 24, as root or not.

import { once } from "node:events";
import { createServer } from "node:http";
import { startTestNode } from "../../src/platform/local/testing/node-harness.ts";

const server = createServer((_request, response) => response.end("ok")).listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;
const start = performance.now();
const node = await startTestNode({ dialer: { targetOf: () => "127.0.0.1" } });
const startMs = Math.round(performance.now() - start);
try {
  const pods = await node.run("manyPods", { count: 50 });
  const egress = await node.run("burst", { url: `http://203.0.113.5:${port}/`, count: 2000, parallel: 50 });
  const dns = await node.run("dnsBurst", { count: 500 });
  process.stdout.write(`${JSON.stringify({ user: process.getuid?.() === 0 ? "root" : "ordinary", startMs, pods, egress, dns })}\n`);
} finally {
  await node.close();
  server.close();
}
