// Pods' pages over real sockets: what fails hides nothing else, strangers read nothing, and slow or endless applications cost a bounded time.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, request, type Server } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { podSchema } from "../../../api/kubernetes/pod.ts";
import { Unavailable } from "../../../lib/errors.ts";
import { silentLogger } from "../../../lib/log.ts";
import type { Family } from "../../../telemetry/prometheus/family.ts";
import type { PodSandbox } from "../sandbox.ts";
import { PodMetrics } from "./pod-metrics.ts";

const series: readonly Family[] = [
  { name: "istio_requests_total", type: "counter", help: "Requests.", samples: [{ name: "istio_requests_total", labels: [], value: 7 }] },
];

let folder: string;
let metrics: PodMetrics;
let isControlPlaneAway: boolean;
const closing: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lt-pm-"));
  isControlPlaneAway = false;
  metrics = new PodMetrics({
    proxySeries: async () => {
      if (isControlPlaneAway) throw new Unavailable("away");
      return series;
    },
    logger: silentLogger,
    sourceTimeoutMs: 500,
  });
  metrics.listen(join(folder, "node.sock"));
});

afterEach(() => {
  metrics.close();
  for (const close of closing.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

interface Served {
  readonly ports: ReadonlyMap<number, (socket: Socket) => void>;
  readonly end: () => void;
}

/** A pod whose application listens on a loopback port of this machine and whose Envoy's admin is a Unix socket. */
function servePod(name: string, options: { application?: number; ip?: string; scraper?: boolean; admin?: string } = {}): Served {
  const { application, ip = "198.18.0.9", scraper = false, admin = join(folder, "missing.sock") } = options;
  const annotations = {
    ...(application === undefined ? {} : { "prometheus.io/scrape": "true", "prometheus.io/port": String(application) }),
    ...(scraper ? { "lateen.dev/scrapes-metrics": "true" } : {}),
  };
  const pod = podSchema.parse({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", uid: name, annotations },
    spec: { containers: [{ name: "app", image: "a" }] },
  });
  const ports = new Map<number, (socket: Socket) => void>();
  const sandbox: Pick<PodSandbox, "ip" | "listen" | "dial"> = {
    ip,
    listen: (port, onConnection) => void ports.set(port, onConnection),
    dial: (port) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", () => resolve(socket));
        socket.on("error", reject);
      }),
  };
  return { ports, end: metrics.serve(pod, sandbox, admin) };
}

async function listening(server: Server | ReturnType<typeof createServer>, where: number | string = 0): Promise<number> {
  closing.push(() => server.close());
  const options = typeof where === "string" ? { path: where } : { port: where, host: "127.0.0.1" };
  await new Promise<void>((resolve) => server.listen(options, () => resolve()));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const application = (text: string, status = 200) =>
  listening(createHttpServer((_, response) => void response.writeHead(status, { connection: "close" }).end(text)));
const envoyAdmin = async (): Promise<string> => {
  const path = join(folder, "admin.sock");
  await listening(
    createHttpServer(
      (_, response) => void response.writeHead(200, { connection: "close" }).end("# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n"),
    ),
    path,
  );
  return path;
};

function page(path: string): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(folder, "node.sock"), path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

const merged = (name: string) => page(`/pods/shop/${name}/stats/prometheus`);

test("proxy, Envoy and application stand together, each series once", async () => {
  const port = await application(
    "# TYPE istio_requests_total gauge\nistio_requests_total 99\norders 3\n# TYPE envoy_server_live counter\nenvoy_server_live 5\n",
  );
  servePod("web", { application: port, admin: await envoyAdmin() });
  const { status, text } = await merged("web");
  expect(status).toBe(200);
  for (const line of ["istio_requests_total 7", "envoy_server_live 1", "orders 3", "istio_agent_scrapes_total 1"])
    expect(text).toContain(line);
  expect(text.match(/^istio_requests_total /gm)).toHaveLength(1);
  expect(text).not.toContain("scrape_failures_total{");
});

test("what fails hides nothing else, and is counted", async () => {
  isControlPlaneAway = true;
  servePod("web", { application: await application("oops", 500), admin: await envoyAdmin() });
  const { status, text } = await merged("web");
  expect([status, text.includes("envoy_server_live 1")]).toEqual([200, true]);
  for (const type of ["agent", "application"]) expect(text).toContain(`istio_agent_scrape_failures_total{type="${type}"} 1`);
  isControlPlaneAway = false;
  expect((await merged("web")).text).toContain("istio_requests_total 7");
});

test.each([
  ["a page of HTML", () => application("<html><body>login</body></html>")],
  ["nothing there", async () => 1],
  [
    "an end in the middle",
    () => listening(createServer((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\norders 1\n"))),
  ],
  ["no HTTP", () => listening(createServer((socket) => socket.end("220 hello\n")))],
])("an application that shows %s", async (_, start) => {
  servePod("web", { application: await start() });
  const { status, text } = await merged("web");
  expect([status, text.includes("istio_requests_total 7")]).toEqual([200, true]);
  expect(text).toContain('istio_agent_scrape_failures_total{type="application"} 1');
  expect((await page("/pods/shop/web/application")).status).toBe(502);
});

test("an application that never answers is given up", async () => {
  servePod("web", { application: await listening(createServer((socket) => void socket.on("error", () => {}))) });
  expect((await merged("web")).text).toContain("istio_requests_total 7");
});

/** A connection to a pod's port as if from `address`. */
async function askPort({ ports }: Served, port: number, address: string): Promise<string> {
  const server = createServer((socket) => {
    Object.defineProperty(socket, "remoteAddress", { value: address });
    ports.get(port)?.(socket);
  });
  const client = connect(await listening(server), "127.0.0.1");
  client.write("GET /stats/prometheus HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of client) text += String(chunk);
  return text;
}

test("only the pod itself, the node and told scrapers read", async () => {
  const served = servePod("web", { admin: await envoyAdmin() });
  servePod("prometheus", { ip: "198.18.0.10", scraper: true });
  servePod("other", { ip: "198.18.0.11" });
  for (const address of ["198.18.0.9", "127.0.0.1", "198.18.0.1", "198.18.0.10"]) {
    expect([address, await askPort(served, 15020, address)]).toEqual([address, expect.stringContaining("istio_requests_total 7")]);
  }
  for (const address of ["198.18.0.11", "198.18.0.12", ""]) {
    const said = await askPort(served, 15020, address);
    expect([address, said.startsWith("HTTP/1.1 403"), said.includes("istio_requests")]).toEqual([address, true, false]);
  }
});

test("connections without a request keep no scraper out, those of strangers neither", async () => {
  const served = servePod("web", { admin: await envoyAdmin() });
  const hold = async (address: string): Promise<Socket> => {
    const server = createServer((socket) => {
      Object.defineProperty(socket, "remoteAddress", { value: address });
      served.ports.get(15020)?.(socket);
    });
    const client = connect(await listening(server), "127.0.0.1");
    closing.push(() => client.destroy());
    client.on("error", () => {});
    client.write("GET /stats/prom");
    await new Promise((resolve) => server.once("connection", resolve));
    return client;
  };
  const first = await hold("127.0.0.1");
  for (let index = 0; index < 16; index += 1) await hold("127.0.0.1");
  for (let index = 0; index < 20; index += 1) await hold("198.18.0.12");
  expect(await askPort(served, 15020, "127.0.0.1")).toContain("istio_requests_total 7");
  await new Promise((resolve) => (first.destroyed ? resolve(undefined) : first.once("close", resolve)));
});

test("15090 has the proxy's alone", async () => {
  const served = servePod("web", { application: await application("orders 3\n"), admin: await envoyAdmin() });
  const said = await askPort(served, 15090, "127.0.0.1");
  expect([said.includes("envoy_server_live 1"), said.includes("orders")]).toEqual([true, false]);
});

test("a pod that is gone has no page; its successor's stays", async () => {
  const first = servePod("web");
  servePod("web");
  first.end();
  expect((await merged("web")).status).toBe(200);
  expect((await merged("nobody")).status).toBe(404);
  expect((await page("/pods/shop/web/admin")).status).toBe(404);
});
