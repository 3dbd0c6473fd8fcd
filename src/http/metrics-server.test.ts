// The metrics port as a Prometheus, a browser and a stranger's page see it.

import { createServer, request } from "node:http";
import { connect, type Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NotFound, Unavailable } from "../lib/errors.ts";
import { silentLogger } from "../lib/log.ts";
import type { Family } from "../telemetry/prometheus/family.ts";
import { writeText } from "../telemetry/prometheus/write-text.ts";
import type { MetricsView } from "./metrics-contract.ts";
import { isLoopbackHost, type MetricsServer, startMetricsServer } from "./metrics-server.ts";

const family: Family = { name: "a_total", type: "counter", help: undefined, samples: [{ name: "a_total", labels: [], value: 1 }] };
const view: MetricsView = {
  mesh: async (format) => writeText([family], format),
  controlPlane: async () => [],
  proxy: () => {
    throw new NotFound("no proxy");
  },
  podPage: async (path) => {
    if (path.includes("away")) throw new Unavailable("the node doesn't answer");
    return path.includes("gone")
      ? { status: 404, contentType: "text/plain", text: "gone" }
      : { status: 200, contentType: "text/x", text: path };
  },
  targets: (kind) => [{ targets: ["127.0.0.1:1"], labels: { kind } }],
};

let server: MetricsServer;
beforeEach(async () => {
  server = await startMetricsServer({ view, port: 0, log: silentLogger });
});
afterEach(() => server.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: server.port, path, headers, method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

test("connections without a request keep no scraper out", async () => {
  const idle = await Promise.all(
    Array.from({ length: 64 }, () => {
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      return new Promise<Socket>((resolve) => socket.once("connect", () => resolve(socket)));
    }),
  );
  try {
    for (let scrape = 0; scrape < 3; scrape += 1) expect((await ask("/metrics")).status).toBe(200);
  } finally {
    for (const socket of idle) socket.destroy();
  }
});

test("text, OpenMetrics and gzip, as asked for", async () => {
  const plain = await ask("/metrics");
  expect([plain.status, plain.headers["content-type"], String(plain.body)]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
    "# TYPE a_total counter\na_total 1\n",
  ]);
  const open = await ask("/metrics", { accept: "application/openmetrics-text;version=1.0.0", "accept-encoding": "gzip" });
  expect(open.headers).toMatchObject({
    "content-encoding": "gzip",
    "content-type": "application/openmetrics-text; version=1.0.0; charset=utf-8",
  });
  expect(String(gunzipSync(open.body))).toBe("# TYPE a counter\na_total 1\n# EOF\n");
});

test("targets, pods' pages and what is missing", async () => {
  expect(JSON.parse(String((await ask("/sd/applications")).body))).toEqual([
    { targets: ["127.0.0.1:1"], labels: { kind: "applications" } },
  ]);
  expect(String((await ask("/pods/a/b/stats/prometheus")).body)).toBe("/pods/a/b/stats/prometheus");
  expect((await ask("/pods/a/gone/application")).status).toBe(404);
  expect((await ask("/pods/a/away/application")).status).toBe(503);
  expect((await ask("/api/v1/secrets")).status).toBe(404);
  expect((await ask("/metrics", {}, "POST")).status).toBe(405);
});

test("another site's name for this address is refused", async () => {
  for (const host of ["evil.example", "evil.example:15014", "127.0.0.1.evil.example"]) {
    expect([host, (await ask("/metrics", { host })).status]).toEqual([host, 403]);
    expect(isLoopbackHost(host)).toBe(false);
  }
  for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:15014", "[::1]:1"]) expect(isLoopbackHost(host)).toBe(true);
  for (const host of [undefined, ""]) expect(isLoopbackHost(host)).toBe(false);
});

test("a taken port is said with what to do", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await expect(startMetricsServer({ view, port, log: silentLogger })).rejects.toMatchObject({
    fix: expect.stringContaining("--metrics-port"),
  });
  other.close();
});
