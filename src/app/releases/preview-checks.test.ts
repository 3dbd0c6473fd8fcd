// Preview checks from the engine to a real HTTP server: the node's socket, the pod's port, a fresh pod's first seconds, and results that explain.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listenOnLoopback } from "../../../test/harness/loopback.ts";
import { podSchema } from "../../api/kubernetes/pod.ts";
import { releaseSchema } from "../../api/release/release.ts";
import { silentLogger } from "../../lib/log.ts";
import { PodMetrics } from "../../platform/local/node/pod-metrics.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { callThroughNode } from "./call-pod.ts";
import { previewChecks } from "./preview-checks.ts";

const release = releaseSchema.parse({
  apiVersion: "lateen.io/v1alpha1",
  kind: "Release",
  metadata: { name: "catalog", namespace: "shop" },
  spec: { service: "catalog" },
});
const labels = { app: "catalog", version: "v2" };
const containers = [{ name: "app", image: "a", ports: [{ name: "web", containerPort: 8080 }] }];

let folder: string;
let node: PodMetrics;
let now: number;
let dialed: number[];
let asked: { readonly method: string | undefined; readonly url: string | undefined; readonly host: string | undefined }[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const store = new MemoryStore({ clock: { now: () => 0, monotonic: () => 0 }, parser: apiParser, newUid: () => crypto.randomUUID() });
store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
const metadata = { name: "catalog-v2", namespace: "shop", labels };
const ports = [
  { name: "http", port: 80, targetPort: "web" },
  { name: "admin", port: 81, targetPort: 9090 },
];
store.create({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "catalog", namespace: "shop" },
  spec: { selector: { app: "catalog" }, ports },
});
store.create({
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata,
  spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
});
const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: { containers } };
store.create(pod);

const server = createServer((request, response) => {
  asked.push({ method: request.method, url: request.url, host: request.headers.host });
  answer(request, response);
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "lt-pc-"));
  now = 0;
  dialed = [];
  asked = [];
  answer = (_, response) => void response.writeHead(200).end("fine");
  const port = await listenOnLoopback(server);
  node = new PodMetrics({ proxySeries: async () => [], logger: silentLogger });
  node.listen(join(folder, "node.sock"));
  const dial = (wanted: number) => {
    dialed.push(wanted);
    const socket = connect(port, "127.0.0.1");
    return new Promise<typeof socket>((resolve, reject) => {
      socket.once("connect", () => resolve(socket));
      socket.once("error", reject);
    });
  };
  node.serve(podSchema.parse(pod), { ip: "198.18.0.9", listen: () => {}, dial }, undefined);
  setReady(true);
});
afterEach(async () => {
  node.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

function setReady(isReady: boolean): void {
  store.updateStatus({ ...pod, status: { phase: "Running", conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] } });
}

interface Check {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly port?: number;
  readonly status?: number;
}

/** Time passes only while somebody waits. */
function run(checks: readonly Check[], whileWaiting: () => void = () => {}) {
  const send = previewChecks({
    store,
    callPod: callThroughNode(join(folder, "node.sock")),
    nowMs: () => now,
    sleep: async (ms) => {
      now += ms;
      whileWaiting();
    },
  });
  const whole = checks.map((check) => ({ method: "GET", path: "/", status: 200, ...check }));
  return send(release, "v2", { type: "check", id: "catalog-1/1", host: "preview-catalog", checks: whole });
}

test("each check goes to its port of a ready pod, with the preview host", async () => {
  const results = await run([{ name: "home" }, { name: "deep", method: "POST", path: "/a?b=c", port: 81 }, { name: "own", port: 7000 }]);
  expect(results).toEqual([
    { name: "home", ok: true, detail: "GET / answered 200" },
    { name: "deep", ok: true, detail: "POST /a?b=c answered 200" },
    { name: "own", ok: true, detail: "GET / answered 200" },
  ]);
  expect(dialed).toEqual([8080, 9090, 7000]);
  expect(asked[1]).toEqual({ method: "POST", url: "/a?b=c", host: "preview-catalog" });
});

test("a wrong answer three times is one, with what was expected; what comes after isn't sent", async () => {
  answer = (_, response) => void response.writeHead(503).end();
  expect(await run([{ name: "health", path: "/healthz" }, { name: "home" }])).toEqual([
    { name: "health", ok: false, detail: "GET /healthz answered 503, expected 200" },
  ]);
  expect(asked.length).toBe(3);
});

test("a fresh pod may stumble", async () => {
  answer = (_, response) => (asked.length < 3 ? void response.writeHead(503).end() : void response.writeHead(200).end());
  expect(await run([{ name: "home" }])).toMatchObject([{ ok: true }]);
  setReady(false);
  expect(await run([{ name: "home" }], () => setReady(now > 10_000))).toMatchObject([{ ok: true }]);
});

test("nobody who answers is told as that, after half a minute", async () => {
  answer = (_, response) => void response.destroy();
  const [broken] = await run([{ name: "home" }]);
  expect(broken).toMatchObject({ ok: false, detail: expect.stringMatching(/^GET \/ had no answer: port 8080: /) });
  expect(now).toBeGreaterThanOrEqual(30_000);
  setReady(false);
  expect(await run([{ name: "home" }])).toEqual([{ name: "home", ok: false, detail: "GET / had no answer: v2 has no ready pod" }]);
  setReady(true);
  node.close();
  expect(await run([{ name: "home" }])).toMatchObject([{ ok: false, detail: expect.stringContaining("the node doesn't answer") }]);
});

test("the node sends nothing that isn't a call", async () => {
  const call = callThroughNode(join(folder, "node.sock"));
  const plain = { port: 80, method: "GET", path: "/", host: "a", timeoutMs: 1000 };
  expect(await call({ namespace: "shop", name: "catalog-v2" }, { ...plain, path: "/ HTTP/1.1\r\nx: y" })).toHaveProperty("problem");
  expect(await call({ namespace: "shop", name: "nobody" }, plain)).toEqual({ problem: "the pod shop/nobody does not run" });
  expect(dialed).toEqual([]);
});
