// AuthorizationPolicies at a gateway on a real Envoy: over HTTP and TCP, added and removed without touching a listener.

import { createServer } from "node:net";
import { expect, test } from "vitest";
import { startEchoServer } from "../harness/echo-server.ts";
import { freePort, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { rawConnection } from "../harness/raw-http.ts";
import { openExchange } from "../harness/tcp-exchange.ts";

const policy = (name: string, spec: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: test}
spec: {selector: {matchLabels: {istio: ingressgateway}}, ${spec}}
---
`;

const entry = (port: number, protocol: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: backend, namespace: test}
spec:
  hosts: [backend.example]
  ports: [{number: ${port}, name: port, protocol: ${protocol}}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
---
`;

test("HTTP: refused by name, next to what no policy is about", async () => {
  await using backend = await startEchoServer("backend", () => {});
  const port = await freePort();
  const base = `${gatewayYaml(port, "HTTP")}---\n${entry(backend.port, "HTTP")}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: test}
spec: {hosts: ["*"], gateways: [gateway], http: [{route: [{destination: {host: backend.example, port: {number: ${backend.port}}}}]}]}
---
`;
  await using gateway = await startGatewayEnvoy(base);
  using connection = rawConnection({ port });
  const status = async (path: string): Promise<number> => (await connection.send({ path, host: "web.example" })).status;
  expect([await status("/"), await status("/admin")]).toEqual([200, 200]);
  const denyAdmin = policy("no-admin", 'action: DENY, rules: [{to: [{operation: {paths: ["/admin"]}}]}]');
  await gateway.apply(base + denyAdmin);
  expect([await status("/"), await status("/%61dmin")]).toEqual([200, 403]);
  await gateway.apply(base + denyAdmin + policy("hosts", 'rules: [{to: [{operation: {hosts: ["other.example"]}}]}]'));
  expect([await status("/"), await status("/admin")]).toEqual([403, 403]);
  expect(await gateway.stat(`http.gateway_${port}.rbac.policy.ns[test]-policy[no-admin]-rule[0].denied`)).toBe(2);
  expect(await gateway.stat(`http.gateway_${port}.rbac.policy.ns[test]-policy[hosts]-rule[none].denied`)).toBe(1);
  await gateway.apply(base);
  expect(await status("/admin")).toBe(200);
  expect(await gateway.stat("listener_manager.listener_modified")).toBe(0);
});

test("TCP: refused by name", async () => {
  const echo = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  await using _closing = { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void echo.close(() => resolve())) };
  const address = echo.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const port = await freePort();
  const base = `${gatewayYaml(port, "TCP")}---\n${entry(address.port, "TCP")}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db, namespace: test}
spec: {hosts: ["*"], gateways: [gateway], tcp: [{route: [{destination: {host: backend.example, port: {number: ${address.port}}}}]}]}
---
`;
  await using gateway = await startGatewayEnvoy(base);
  const ask = async (): Promise<string> => {
    using exchange = openExchange({ port });
    return await exchange.say("ping");
  };
  expect(await ask()).toBe("ping");
  await gateway.apply(base + policy("elsewhere", 'rules: [{from: [{source: {ipBlocks: ["10.0.0.0/8"]}}]}]'));
  expect(await ask()).toBe("");
  expect(await gateway.stat("tcp.inbound.allowMiss.ns[test]-policy[elsewhere].rbac.denied")).toBe(1);
  await gateway.apply(base);
  expect(await ask()).toBe("ping");
  expect(await gateway.stat("listener_manager.listener_modified")).toBe(0);
});
