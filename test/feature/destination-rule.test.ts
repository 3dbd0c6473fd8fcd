// DestinationRule settings on a real Envoy: outlier ejection, pool overflow, connection limits per request, consistent hash, and weights that
// move by RTDS alone.

import { Agent, request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EchoServer } from "../harness/echo-server.ts";
import { startEchoServer } from "../harness/echo-server.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { versionsYaml } from "../harness/versions-yaml.ts";

interface Answer {
  readonly status: number;
  readonly server: string;
  readonly details: string;
}

function call(port: number, headers: Readonly<Record<string, string>> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false });
    const sent = request({ host: "127.0.0.1", port, method, headers: { host: "web.example", ...headers }, agent }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, server: text, details: String(response.headers["x-from"] ?? "envoy") }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

const servers: EchoServer[] = [];

beforeAll(async () => {
  servers.push(await startEchoServer("v1", () => {}), await startEchoServer("v2", () => {}));
});

afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

function world(port: number, policy: string, weights: readonly [number, number] | undefined = undefined): string {
  const [first, second] = servers;
  const route =
    weights === undefined
      ? "{destination: {host: web.example}}"
      : `{destination: {host: web.example, subset: v1}, weight: ${weights[0]}}, {destination: {host: web.example, subset: v2}, weight: ${weights[1]}}`;
  const versions = { v1: first?.port, v2: second?.port };
  const web = versionsYaml({ host: "web.example", port: 80, protocol: "HTTP", servers: versions, trafficPolicy: policy });
  return `${gatewayYaml(port, "HTTP")}${web}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: test}
spec: {hosts: [web.example], gateways: [gateway], http: [{route: [${route}]}]}
`;
}

const cluster = "cluster.outbound|80||web_example";

describe("a DestinationRule", () => {
  test("ejects an endpoint that answers with errors, and takes it back", async () => {
    const port = await freePort();
    const policy = "{outlierDetection: {consecutive5xxErrors: 3, interval: 100ms, baseEjectionTime: 3s, maxEjectionPercent: 50}}";
    await using gateway = await startGatewayEnvoy(world(port, policy));
    let number = 0;
    await eventually(async () => {
      number += 1;
      await call(port, { "x-test-fail": "503x1", "x-request-key": `e${number}` });
      return (await gateway.stat(`${cluster}.outlier_detection.ejections_active`)) === 1;
    });
    const answers = await Promise.all(Array.from({ length: 10 }, () => call(port)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ server }) => server)).size).toBe(1);
    await eventually(async () => (await gateway.stat(`${cluster}.outlier_detection.ejections_active`)) === 0);
  });

  test("refuses what exceeds the pool at once", async () => {
    const port = await freePort();
    const policy = "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}";
    await using gateway = await startGatewayEnvoy(world(port, policy));
    const answers = await Promise.all(Array.from({ length: 8 }, () => call(port, { "x-test-delay-ms": "300" })));
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1);
    expect(refused.every(({ details }) => details === "envoy")).toBe(true);
    expect(await gateway.stat(`${cluster}.upstream_rq_pending_overflow`)).toBe(refused.length);
  });

  test("closes connections after so many requests", async () => {
    const port = await freePort();
    await using gateway = await startGatewayEnvoy(world(port, "{connectionPool: {http: {maxRequestsPerConnection: 1}}}"));
    for (let round = 0; round < 5; round += 1) expect((await call(port)).status).toBe(200);
    expect(await gateway.stat(`${cluster}.upstream_cx_total`)).toBe(5);
  });

  test.each(["{httpHeaderName: x-user}", "{httpHeaderName: x-user, maglev: {}}"])(
    "sends the same user to the same endpoint: %s",
    async (hash) => {
      const port = await freePort();
      await using _gateway = await startGatewayEnvoy(world(port, `{loadBalancer: {consistentHash: ${hash}}}`));
      const serverOf = async (user: string) => (await call(port, { "x-user": user })).server;
      const users = Array.from({ length: 20 }, (_, index) => `user-${index}`);
      const first = await Promise.all(users.map(serverOf));
      expect(new Set(first)).toEqual(new Set(["v1", "v2"]));
      expect(await Promise.all(users.map(serverOf))).toEqual(first);
    },
  );
});

test("weights move by RTDS: no route table is sent, and the shares follow", async () => {
  const port = await freePort();
  await using gateway = await startGatewayEnvoy(world(port, "{}", [100, 0]));
  const route = `http.gateway_${port}.rds.http.${port}.config_reload`;
  const reloads = await gateway.stat(route);
  expect(reloads).toBeGreaterThan(0);
  const serversOf = async (times: number) => {
    const answers: Answer[] = [];
    for (let round = 0; round < times; round += 1) answers.push(await call(port, {}, round % 2 === 0 ? "GET" : "POST"));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    return answers.filter(({ server }) => server === "v2").length / times;
  };
  expect(await serversOf(20)).toBe(0);
  await gateway.apply(world(port, "{}", [0, 100]));
  expect(await serversOf(20)).toBe(1);
  await gateway.apply(world(port, "{}", [1, 1]));
  const share = await serversOf(200);
  expect(share).toBeGreaterThan(0.3);
  expect(share).toBeLessThan(0.7);
  expect(await gateway.stat(route)).toBe(reloads);
  expect(await gateway.stat("listener_manager.listener_modified")).toBe(0);
});
