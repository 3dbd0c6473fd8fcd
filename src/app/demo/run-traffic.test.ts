import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import type { RawResource } from "../../store/store.ts";
import { runTraffic, type TrafficView } from "./run-traffic.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A gateway whose every tenth answer is from web v2, and whose every twentieth is an error. */
async function gateway(): Promise<number> {
  let count = 0;
  const server = createServer((_request, response) => {
    count += 1;
    if (count % 20 === 0) return response.writeHead(503).end("no healthy upstream");
    const version = count % 10 === 1 ? "v2" : "v1";
    return response.end(JSON.stringify({ hops: [{ service: "web", version, pod: "p", ms: 1 }] }));
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}

const virtualService: RawResource = {
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name: "web", namespace: "shop" },
  spec: {
    hosts: ["web"],
    http: [
      {
        route: [
          { destination: { host: "web", subset: "v1" }, weight: 9 },
          { destination: { host: "web", subset: "v2" }, weight: 1 },
        ],
      },
    ],
  },
};

const reader = {
  list: async (kind: string) => ({ items: kind === "VirtualService" ? [virtualService] : [], resourceVersion: "1" }),
  releases: { list: async () => [] },
};

test("counts versions and failures of the visitors, beside the configured weights", async () => {
  const failures: string[] = [];
  let firstAnswers = 0;
  const last = await runTraffic({
    client: reader,
    port: await gateway(),
    rate: 200,
    durationMs: 500,
    signal: new AbortController().signal,
    onView: () => {},
    onFailure: (line) => failures.push(line),
    onFirstAnswer: () => {
      firstAnswers += 1;
    },
  });
  expect(firstAnswers).toBe(1);
  expect(last.total).toMatchObject({ requests: 100, failures: 5 });
  expect(failures).toHaveLength(5);
  expect(failures[0]).toMatch(/^status 503, no healthy upstream, after \d+ ms$/);
  expect(last.totalRows.map(({ service, version, weightPercent, requests }) => [service, version, weightPercent, requests])).toEqual([
    ["web", "v1", 90, 85],
    ["web", "v2", 10, 10],
    ["web", "-", undefined, 5],
  ]);
});

test("a view each second, until the signal; a control plane that is away changes nothing", async () => {
  const abort = new AbortController();
  const views: TrafficView[] = [];
  const last = await runTraffic({
    client: { list: () => Promise.reject(new Error("away")), releases: { list: () => Promise.reject(new Error("away")) } },
    port: await gateway(),
    rate: 50,
    durationMs: undefined,
    signal: abort.signal,
    onView: (view) => {
      views.push(view);
      abort.abort();
    },
    onFailure: () => {},
    onFirstAnswer: () => {},
  });
  expect(views).toHaveLength(1);
  expect(last.total.requests).toBeGreaterThan(10);
});
