// Trace headers on a real Envoy: what comes in as B3 or W3C, and what an application gets of it.

import { createServer, request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { startEnvoy, temporaryFolder } from "../../../test/harness/envoy.ts";
import { any } from "../../envoy/any.ts";
import { xdsClusterName } from "../../envoy/names.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { b3Parent, b3Sampled, traceHeaders } from "./b3.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { serverRouter } from "./router.ts";
import { tracing } from "./tracing.ts";

const cleanup = new AsyncDisposableStack();
let socketPath = "";
/** Of a listener that reads no B3, as most sidecars'. */
let plainPath = "";

beforeAll(async () => {
  const folder = cleanup.use(await temporaryFolder());
  const appPath = join(folder.path, "app.sock");
  socketPath = join(folder.path, "envoy.sock");
  plainPath = join(folder.path, "plain.sock");
  const app = createServer((incoming, response) => response.end(JSON.stringify(incoming.headers)));
  await new Promise<void>((resolve) => app.listen(appPath, resolve));
  cleanup.defer(() => void app.close());
  const cluster = (name: string): ClusterJson => ({
    name,
    type: "STATIC",
    connectTimeout: "1s",
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address: { pipe: { path: appPath } } } }] }] },
  });
  const listener = (path: string, filter: FilterJson): ListenerJson => ({
    name: path,
    address: { pipe: { path } },
    filterChains: [{ filters: [filter] }],
  });
  const httpFilters = [serverRouter];
  const plain = any(HttpConnectionManagerSchema, {
    ...httpConnectionManager({
      direction: "outbound",
      statPrefix: "plain",
      routes: { virtualHosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "app" } }] }] },
      settings: defaultMeshSettings,
    }),
    httpFilters,
  });
  const traced = tracing({ direction: "inbound", statPrefix: "x", routes: "x", settings: defaultMeshSettings });
  const manager = any(HttpConnectionManagerSchema, {
    statPrefix: "x",
    earlyHeaderMutationExtensions: [traceHeaders({ b3: true })],
    ...(traced === undefined ? {} : { tracing: traced }),
    httpFilters,
    routeConfig: {
      requestHeadersToAdd: [...b3Parent],
      virtualHosts: [
        { name: "all", domains: ["*"], requestHeadersToAdd: [b3Sampled], routes: [{ match: { prefix: "/" }, route: { cluster: "app" } }] },
      ],
    },
  });
  cleanup.use(
    await startEnvoy({
      node: { id: "x", cluster: "x" },
      // Nothing is sampled here but what comes sampled.
      layeredRuntime: { layers: [{ name: "static", staticLayer: { "tracing.random_sampling": 0 } }] },
      staticResources: {
        clusters: [cluster("app"), cluster(xdsClusterName)],
        listeners: [
          listener(socketPath, { name: "http", typedConfig: manager }),
          listener(plainPath, { name: "http", typedConfig: plain }),
        ],
      },
    }),
  );
});
afterAll(() => cleanup.disposeAsync());

function sent(headers: Readonly<Record<string, string>>, path = socketPath): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: path, headers: { host: "x", ...headers } }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => {
        text += String(chunk);
      });
      answer.on("end", () => resolve(JSON.parse(text)));
    });
    call.on("error", reject);
    call.end();
  });
}

const trace = "463ac35c9f6413ad48485a3953bb6124";
const [short, parent] = ["48485a3953bb6124", "a2fb4a1d1a96d312"];
const padded = `0000000000000000${short}`;
const many = (traceId: string, more: object = {}) => ({ "x-b3-traceid": traceId, "x-b3-spanid": parent, ...more });

test.each([
  ["W3C, sampled", { traceparent: `00-${trace}-${parent}-01` }, trace, "1"],
  ["W3C, not sampled", { traceparent: `00-${trace}-${parent}-00` }, trace, "0"],
  ["W3C before B3", { traceparent: `00-${trace}-${parent}-01`, b3: "0", ...many(short) }, trace, "1"],
  ["many headers", many(trace, { "x-b3-sampled": "1" }), trace, "1"],
  ["many headers, not sampled", many(trace, { "x-b3-sampled": "0" }), trace, "0"],
  ["many headers, debug", many(trace, { "x-b3-flags": "1" }), trace, "1"],
  ["a short trace id", many(short, { "x-b3-sampled": "1" }), padded, "1"],
  ["one header", { b3: `${trace}-${parent}-1` }, trace, "1"],
  ["one header, not sampled", { b3: `${trace}-${parent}-0` }, trace, "0"],
  ["one header, debug, with a parent", { b3: `${trace}-${parent}-d-${short}` }, trace, "1"],
  ["one header that leaves it open", { b3: `${trace}-${parent}` }, trace, "1"],
])("an application gets the trace in all forms: %s", async (_, headers, traceId, sampled) => {
  const got = await sent(headers);
  const span = got["x-b3-spanid"] ?? "";
  expect(span).toMatch(/^[0-9a-f]{16}$/);
  expect(span).not.toBe(parent);
  expect(got).toMatchObject({
    traceparent: `00-${traceId}-${span}-0${sampled}`,
    "x-b3-traceid": traceId,
    "x-b3-sampled": sampled,
    b3: `${traceId}-${span}-${sampled}`,
  });
  expect(Object.keys(got).filter((name) => name.startsWith("x-lateen"))).toEqual([]);
});

test.each([
  ["nothing", {}],
  ["junk in many headers", many("junk", { "x-b3-sampled": "1" })],
  ["no span id", { "x-b3-traceid": trace, "x-b3-sampled": "1" }],
  ["only a decision", { b3: "0" }],
  ["junk in one header", { b3: `${"z".repeat(32)}-${parent}-1` }],
])("a new trace begins, unsampled here: %s", async (_, headers) => {
  const got = await sent(headers);
  expect(got["x-b3-traceid"]).toMatch(/^[0-9a-f]{32}$/);
  expect(got["x-b3-traceid"]).not.toBe(trace);
  expect(got).toMatchObject({ traceparent: `00-${got["x-b3-traceid"]}-${got["x-b3-spanid"]}-00`, "x-b3-sampled": "0" });
});

test.each(["0", "1"])("where no B3 is read a trace goes on as its flag says, and x-request-id says nothing of it: %s", async (flag) => {
  const got = await sent({ traceparent: `00-${trace}-${parent}-0${flag}` }, plainPath);
  expect(got["traceparent"]).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-0${flag}$`));
  expect(got["traceparent"]).not.toContain(parent);
  // Whoever passes on only the id would otherwise trace everything: 4 is a plain random UUID, 9, a and b say that it is traced.
  expect(got["x-request-id"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
});
