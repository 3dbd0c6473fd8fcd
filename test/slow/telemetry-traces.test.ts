// Traces of a whole mesh: five hops with every span, parent, service and version; B3 alone; an application's own span; failures; sampling.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import type { TraceView } from "../../src/http/traces-contract.ts";
import { NotFound } from "../../src/lib/errors.ts";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, meshConfigYaml, routesYaml, subsetsYaml, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;
/** What a Zipkin server would get. */
const zipkin: { readonly traceId: string; readonly localEndpoint: { readonly serviceName: string } }[] = [];
const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  zipkin.push(...JSON.parse(text));
  response.writeHead(202).end();
});

const telemetry = (sampling: number): string =>
  stringify({
    apiVersion: "telemetry.istio.io/v1",
    kind: "Telemetry",
    metadata: { name: "mesh", namespace: "istio-system" },
    spec: { tracing: [{ providers: [{ name: "zipkin" }], randomSamplingPercentage: sampling }] },
  });

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port }: Pick<AddressInfo, "port"> = JSON.parse(JSON.stringify(server.address()));
  const meshConfig = { extensionProviders: [{ name: "zipkin", zipkin: { service: "127.0.0.1", port } }] };
  mesh = await TestMesh.start({
    manifests: yamlOf(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n",
      meshConfigYaml(meshConfig),
      telemetry(100),
      appYaml("a", ["v1"]),
      appYaml("b", ["v2"]),
      appYaml("c", ["v3"]),
      appYaml("d", ["v1", "v2"]),
      subsetsYaml("d"),
      routesYaml("d", [
        {
          match: [{ uri: { prefix: "/copied" } }],
          route: [{ destination: { host: "d", subset: "v1" } }],
          mirror: { host: "d", subset: "v2" },
        },
        { route: [{ destination: { host: "d", subset: "v1" } }] },
      ]),
      istioYaml("Gateway", "edge", {
        selector: { istio: "ingressgateway" },
        servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
      }),
      istioYaml("VirtualService", "edge", { hosts: ["*"], gateways: ["edge"], http: [{ route: [{ destination: { host: "a" } }] }] }),
    ),
    lateenYaml: { gateway: { ports: { 80: 0 } } },
  });
});
afterAll(async () => {
  await mesh?.close();
  server.close();
});

/** a forwards to b, b to c, c to d; each with what its query says. */
function chain(queries: Readonly<Record<string, string>> = {}, path = "/"): string {
  const last = `http://d${path}?${queries["d"] ?? ""}`;
  const toward = (next: string, name: string): string => `/?forward=${encodeURIComponent(next)}&${queries[name] ?? ""}`;
  return toward(`http://b${toward(`http://c${toward(last, "c")}`, "b")}`, "a");
}

let numbers = 0;

/** Sends a request through the chain under a trace id of its own; resolves with the trace once it has so many spans. */
async function traced(
  path: string,
  { spans, headers = {}, flag = "01" }: { readonly spans: number; readonly headers?: object; readonly flag?: string },
): Promise<TraceView> {
  numbers += 1;
  const traceId = `${Date.now().toString(16).padStart(16, "c")}${numbers.toString(16).padStart(16, "0")}`;
  await mesh.gateway(path, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flag}`, ...headers } });
  return await whole(traceId, spans);
}

async function whole(traceId: string, spans: number): Promise<TraceView> {
  let trace: TraceView | undefined;
  await eventually(async () => {
    trace = await mesh.client.traces.get(traceId).catch(() => undefined);
    return trace !== undefined && trace.summary.spans >= spans;
  }, 60_000).catch((error: unknown) => {
    throw new Error(`${String(error)}; there is ${JSON.stringify(trace, null, 1)}`);
  });
  if (trace === undefined) throw new Error("no trace");
  return trace;
}

/** "depth kind service version operation status", a line per span. */
function linesOf({ waterfall }: TraceView): readonly string[] {
  return waterfall.rows.map(({ depth, span }) => {
    const { kind, sender, name, attributes } = span;
    return [depth, kind, sender.kind, sender.service, sender.version, name, attributes["http.status_code"] ?? ""].join(" ").trim();
  });
}

const hosts = (name: string): string => `${name}.default.svc.cluster.local:80/*`;
const hop = (depth: number, from: string, to: string): readonly string[] => [
  `${depth} client proxy ${from} ${hosts(to.split(" ")[0] ?? "")} 200`,
  `${depth + 1} server proxy ${to} ${hosts(to.split(" ")[0] ?? "")} 200`,
];

const gatewayHop = [
  `0 server proxy istio-ingressgateway latest ${hosts("a")} 200`,
  `1 client proxy istio-ingressgateway latest ${hosts("a")} 200`,
  `2 server proxy a v1 ${hosts("a")} 200`,
];
const fiveHops = [...gatewayHop, ...hop(3, "a v1", "b v2"), ...hop(5, "b v2", "c v3"), ...hop(7, "c v3", "d v1")];

it.each(["all", "w3c", "b3", "b3-multi"])("a trace through five hops has every span, where applications pass on: %s", async (pass) => {
  const trace = await traced(chain(), { spans: 9, headers: { "x-test-pass": pass } });
  expect(linesOf(trace)).toEqual(fiveHops);
  expect(trace.summary).toMatchObject({ services: ["a", "b", "c", "d", "istio-ingressgateway"], errors: 0, failedIn: "" });
});

it("B3 from outside begins the trace, in one header or in many", async () => {
  const traceId = "463ac35c9f6413ad48485a3953bb6124";
  await mesh.gateway(chain(), { headers: { "x-b3-traceid": traceId, "x-b3-spanid": "a2fb4a1d1a96d312", "x-b3-sampled": "1" } });
  expect(linesOf(await whole(traceId, 9))).toEqual(fiveHops);
  await mesh.gateway("/", { headers: { b3: "563ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1" } });
  expect(linesOf(await whole("563ac35c9f6413ad48485a3953bb6124", 3))).toEqual(gatewayHop);
});

it("an application's own span stands between the proxies', under its pod's name", async () => {
  const { waterfall } = await traced(chain({ b: "span=price" }), { spans: 10 });
  const index = waterfall.rows.findIndex(({ span }) => span.name === "price");
  const [before, own, after] = waterfall.rows.slice(index - 1, index + 2);
  expect(own?.span).toMatchObject({
    sender: { kind: "application", service: "b", version: "v2", workload: "b-v2" },
    resource: { "service.name": "a-name-of-its-own" },
  });
  expect(own?.span.sender.pod).toMatch(/^b-v2-/);
  expect(own?.span.parentId).toBe(before?.span.spanId);
  expect(after?.span).toMatchObject({ kind: "client", sender: { service: "b" }, parentId: own?.span.spanId });
});

it("a failed request's trace is kept, and says where it failed", async () => {
  const { traceId } = await traced(chain({ d: "status=500" }), { spans: 9 });
  await eventually(async () => (await mesh.client.traces.get(traceId)).keeping === "failed", 60_000);
  const found = await mesh.client.traces.search({ onlyErrors: true, service: "d" });
  expect(found.traces).toContainEqual(expect.objectContaining({ traceId, failedIn: "d", keeping: "failed" }));
  const shown = await lateenOn(mesh, ["trace", "get", traceId]);
  expect(shown.stdout).toMatch(/✗ +d v1 +← d\.default\.svc\.cluster\.local:80\/\* +500/);
  expect(shown.stdout).toContain("it failed in d v1");
  const listed = await lateenOn(mesh, ["trace", "list", "--error", "-o", "json"]);
  expect(JSON.parse(listed.stdout).traces.map((trace: { traceId: string }) => trace.traceId)).toContain(traceId);
  const missing = await lateenOn(mesh, ["trace", "get", "0123456789abcdef"]);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("lateen trace list") });
  await expect(mesh.client.traces.get("0123456789abcdef")).rejects.toThrow(NotFound);
});

it("a mirrored copy is in its request's trace, marked", async () => {
  const { waterfall } = await traced(chain({}, "/copied"), { spans: 11 });
  const marked = waterfall.rows
    .filter(({ span }) => span.isMirrored)
    .map(({ span }) => `${span.kind} ${span.sender.service} ${span.sender.version}`);
  expect(marked).toEqual(["client c v3", "server d v2"]);
});

it("spans go on to the provider that Telemetries name", async () => {
  const { traceId } = await traced(chain(), { spans: 9 });
  const got = () => zipkin.filter((span) => span.traceId === traceId);
  await eventually(() => got().length === 9, 60_000);
  expect([...new Set(got().map(({ localEndpoint }) => localEndpoint.serviceName))].sort()).toEqual([
    "a",
    "b",
    "c",
    "d",
    "istio-ingressgateway",
  ]);
  const { forwards } = await mesh.client.traces.search({});
  expect(forwards).toMatchObject([{ provider: "zipkin", droppedSpans: 0 }]);
});

async function listenerChanges(): Promise<readonly string[]> {
  const pods = (await mesh.client.list("Pod")).items.map(({ metadata }) => metadata.uid ?? "").sort();
  return await Promise.all(
    pods.map(
      async (uid) =>
        (
          await askAdmin(
            join(mesh.runDir, "pods", uid, "admin.sock"),
            "GET",
            "/stats?filter=listener_manager.listener_(modified|in_place_updated|added|removed)$",
          )
        ).body,
    ),
  );
}

it("sampling follows Telemetries, and changes no listener", async () => {
  const before = await listenerChanges();
  const found = async (path: string) =>
    (await mesh.client.traces.search({ limit: 500, attributes: { "http.url": `${mesh.gatewayUrl()}${path}` } })).traces;
  await mesh.apply(telemetry(0));
  for (let count = 0; count < 50; count += 1) await mesh.gateway("/unsampled");
  await mesh.apply(telemetry(10));
  for (let count = 0; count < 150; count += 1) await mesh.gateway("/tenth");
  await mesh.apply(telemetry(100));
  await mesh.gateway("/sampled");
  // Spans of one proxy come in order: with the last one there, earlier ones are there or never come.
  await eventually(async () => (await found("/sampled")).length === 1, 60_000);
  expect(await found("/unsampled")).toEqual([]);
  // 15 are to be expected; none, or more than 60, happens once in a million runs.
  const tenth = (await found("/tenth")).length;
  expect(tenth).toBeGreaterThan(0);
  expect(tenth).toBeLessThan(60);
  // A trace that came sampled stays so, also where applications pass only its own headers on.
  await mesh.apply(telemetry(0));
  expect(linesOf(await traced(chain(), { spans: 9, headers: { "x-test-pass": "w3c" } }))).toEqual(fiveHops);
  expect(await listenerChanges()).toEqual(before);
});
