// A split whose members come and go on a real Envoy under traffic: the share of a member without endpoints goes to the others, and comes
// back only when its endpoints are there. No request fails.

import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { flagged, responseFlags } from "../harness/access-log.ts";
import { startEchoServer } from "../harness/echo-server.ts";
import { temporaryFolder } from "../harness/envoy.ts";
import { eventually } from "../harness/eventually.ts";
import { freePort, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { versionsYaml } from "../harness/versions-yaml.ts";

function call(port: number, agent: Agent, method: string): Promise<string> {
  return new Promise((resolve) => {
    const sent = request({ host: "127.0.0.1", port, method, headers: { host: "web.example" }, agent }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve(response.statusCode === 200 ? text : `status ${response.statusCode}: ${text}`));
    });
    sent.on("error", (error) => resolve(`error ${error.message}`));
    sent.end();
  });
}

test("20 times a member loses its endpoints and gets them back: 0 failed requests", async () => {
  await using v1 = await startEchoServer("v1", () => {});
  await using v2 = await startEchoServer("v2", () => {});
  const port = await freePort();
  const web = (v2Port?: number): string =>
    versionsYaml({ host: "web.example", port: 80, protocol: "HTTP", servers: { v1: v1.port, v2: v2Port } });
  const world = (withSecond: boolean): string => `${gatewayYaml(port, "HTTP")}${web(withSecond ? v2.port : undefined)}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: test}
spec:
  hosts: [web.example]
  gateways: [gateway]
  http: [{route: [{destination: {host: web.example, subset: v1}, weight: 50}, {destination: {host: web.example, subset: v2}, weight: 50}]}]
`;
  await using folder = await temporaryFolder();
  const accessLogFile = join(folder.path, "access.log");
  await using gateway = await startGatewayEnvoy(world(true), { accessLogFile });
  const agents = [new Agent({ keepAlive: true, maxSockets: 4 }), new Agent({ keepAlive: false })];
  const counts = new Map<string, number>();
  let stopped = false;
  const clients = agents.flatMap((agent) =>
    ["GET", "POST"].map(async (method) => {
      while (!stopped) {
        const answer = await call(port, agent, method);
        counts.set(answer, (counts.get(answer) ?? 0) + 1);
      }
    }),
  );
  for (let round = 0; round < 20; round += 1) {
    await gateway.apply(world(false));
    await gateway.apply(world(true));
  }
  stopped = true;
  await Promise.all(clients);
  for (const agent of agents) agent.destroy();
  expect([...counts.keys()].sort()).toEqual(["v1", "v2"]);
  const sent = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const log = () => readFileSync(accessLogFile, "utf8");
  const logged = () =>
    log()
      .split("\n")
      .filter((line) => responseFlags(line) !== undefined).length;
  await eventually(() => logged() >= sent, 30_000, "a line for each request");
  expect(flagged(log())).toEqual([]);
});
