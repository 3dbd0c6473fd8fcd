// Routers that count tries only while somebody asks for it, on a real Envoy: switched by one extension resource, under load, without a listener's change.

import { Agent, request } from "node:http";
import { expect, test } from "vitest";
import { startEchoServer } from "../harness/echo-server.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort, type GatewayEnvoy, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";

const world = (port: number, backend: number): string => `${gatewayYaml(port, "HTTP")}
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: backend, namespace: test}
spec:
  hosts: [backend.example]
  ports: [{number: ${backend}, name: port, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: test}
spec: {hosts: ["*"], gateways: [gateway], http: [{route: [{destination: {host: backend.example, port: {number: ${backend}}}}]}]}
---
`;

/** The status; 0 when there was no answer. */
function ask(port: number, agent: Agent | false, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ host: "127.0.0.1", port, agent, headers: { ...headers, host: "web.example" } }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", () => resolve(0));
    });
    call.on("error", () => resolve(0)).end();
  });
}

const askTimes = async (port: number, times: number): Promise<void> => {
  for (let index = 0; index < times; index += 1) expect(await ask(port, false)).toBe(200);
};

/** Tries counted so far. */
async function tries({ envoy }: GatewayEnvoy): Promise<number> {
  const lines = (await envoy.admin("/stats?filter=lateen_tries_total")).trim().split("\n");
  return lines.reduce((sum, line) => sum + Number(/: (\d+)$/.exec(line)?.[1] ?? 0), 0);
}

const isLogging = async ({ envoy }: GatewayEnvoy): Promise<readonly boolean[]> => {
  const dump = await envoy.admin("/config_dump?resource=ecds_filters");
  return [...dump.matchAll(/"name": "lateen\.router",\s+"typed_config": \{[^}]*?\}/g)].map(([router]) => router.includes("upstream_log"));
};

/** Keep-alive and fresh connections, until it is stopped: how many requests were answered how. */
function load(port: number): { stop(): Promise<Readonly<Record<string, number>>> } {
  const counts: Record<string, number> = {};
  const agent = new Agent({ keepAlive: true, maxSockets: 3 });
  let isOver = false;
  const client = async (index: number): Promise<void> => {
    while (!isOver) {
      const status = await ask(port, index % 2 === 0 ? agent : false);
      counts[status] = (counts[status] ?? 0) + 1;
    }
  };
  const clients = [0, 1, 2, 3].map(client);
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
      return counts;
    },
  };
}

test("a proxy counts tries while it should, and its router has no log before and after", async () => {
  let received = 0;
  await using backend = await startEchoServer("backend", () => {
    received += 1;
  });
  const port = await freePort();
  await using gateway = await startGatewayEnvoy(world(port, backend.port));
  expect(await isLogging(gateway)).toEqual([false]);
  await askTimes(port, 10);

  await gateway.count(true);
  expect(await isLogging(gateway)).toEqual([true]);
  await askTimes(port, 7);
  await eventually(async () => (await tries(gateway)) >= 7);
  const late = ask(port, false, { "x-test-delay-ms": "1000" });
  await eventually(() => received === 18);

  await gateway.count(false);
  expect(await isLogging(gateway)).toEqual([false]);
  await askTimes(port, 5);
  expect(await late, "a request that began while tries counted").toBe(200);
  await eventually(async () => (await tries(gateway)) >= 8);
  await gateway.count(true);
  await askTimes(port, 1);
  await eventually(async () => (await tries(gateway)) >= 9);
  expect(await tries(gateway), "none of those in between").toBe(9);
});

test("switching back and forth under load loses no request and touches no listener", async () => {
  await using backend = await startEchoServer("backend", () => {});
  const port = await freePort();
  await using gateway = await startGatewayEnvoy(world(port, backend.port));
  const traffic = load(port);
  for (let round = 0; round < 10; round += 1) {
    await gateway.count(true);
    const before = await tries(gateway);
    await eventually(async () => (await tries(gateway)) > before);
    await gateway.count(false);
  }
  const counts = await traffic.stop();
  expect(counts).toEqual({ 200: expect.any(Number) });
  expect(await tries(gateway)).toBeLessThan(counts[200] ?? 0);
  const names = ["listener_added", "listener_modified", "listener_in_place_updated", "listener_removed", "listener_create_success"];
  const changes = await Promise.all(names.map((name) => gateway.stat(`listener_manager.${name}`)));
  expect(changes, "one listener, added once").toEqual([1, 0, 0, 0, 1]);
});

test("a proxy that starts while it should count has no request uncounted, nor has a listener that comes meanwhile", async () => {
  await using backend = await startEchoServer("backend", () => {});
  const [port, other] = [await freePort(), await freePort()];
  const first = world(port, backend.port);
  await using gateway = await startGatewayEnvoy(first, {}, { isCounting: true });
  await askTimes(port, 3);
  await eventually(async () => (await tries(gateway)) >= 3);
  const second = gatewayYaml(other, "HTTP").replace("name: gateway", "name: second");
  await gateway.apply(first.replace("gateways: [gateway]", "gateways: [gateway, second]") + second);
  await askTimes(other, 2);
  await eventually(async () => (await tries(gateway)) >= 5);
});
