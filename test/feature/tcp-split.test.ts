// Weighted tcp routes on a real Envoy: shares of new connections follow the weights, open connections never notice.

import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { freePort, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { versionsYaml } from "../harness/versions-yaml.ts";

interface Speaker extends AsyncDisposable {
  readonly port: number;
}

/** A server that speaks first: its name, then an echo of every line. */
async function startSpeaker(name: string): Promise<Speaker> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    socket.write(`${name}\n`);
    socket.on("data", (chunk: Buffer) => socket.write(`${name}:${chunk.toString()}`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Client {
  readonly #socket: Socket;
  #text = "";
  #waiting: (() => void) | undefined;
  closed = false;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed = true;
      this.#waiting?.();
    });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#waiting?.();
    });
  }

  /** The next line; "" when the connection is gone. */
  async line(): Promise<string> {
    while (!this.#text.includes("\n") && !this.closed) await new Promise<void>((resolve) => (this.#waiting = resolve));
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, Math.max(0, end));
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  say(text: string): void {
    this.#socket.write(`${text}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function memberOf(port: number): Promise<string> {
  const client = new Client(port);
  const line = await client.line();
  client.close();
  return line;
}

test("open connections survive 100 changes of weights, shares of new ones follow, servers speak first", async () => {
  await using v1 = await startSpeaker("v1");
  await using v2 = await startSpeaker("v2");
  const port = await freePort();
  const db = versionsYaml({ host: "db.example", port: 5432, protocol: "TCP", servers: { v1: v1.port, v2: v2.port } });
  const world = (weight: number): string => `${gatewayYaml(port, "TCP")}${db}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db, namespace: test}
spec:
  hosts: ["*"]
  gateways: [gateway]
  tcp:
  - route:
    - {destination: {host: db.example, subset: v1}, weight: ${100 - weight}}
    - {destination: {host: db.example, subset: v2}, weight: ${weight}}
`;
  await using gateway = await startGatewayEnvoy(world(50));
  const clients = Array.from({ length: 12 }, () => new Client(port));
  const members = await Promise.all(clients.map((client) => client.line()));
  expect(new Set(members)).toEqual(new Set(["v1", "v2"]));
  for (let change = 0; change < 100; change += 1) {
    await gateway.apply(world([0, 1, 30, 99, 100][change % 5] ?? 0));
    const asked = change % clients.length;
    clients[asked]?.say(`change ${change}`);
    expect(await clients[asked]?.line()).toBe(`${members[asked]}:change ${change}`);
  }
  expect(clients.filter(({ closed }) => closed)).toEqual([]);
  for (const client of clients) client.close();
  await gateway.apply(world(100));
  expect(new Set(await Promise.all(Array.from({ length: 20 }, () => memberOf(port))))).toEqual(new Set(["v2"]));
  await gateway.apply(world(0));
  expect(new Set(await Promise.all(Array.from({ length: 20 }, () => memberOf(port))))).toEqual(new Set(["v1"]));
  await gateway.apply(world(20));
  const lines: string[] = [];
  for (let round = 0; round < 300; round += 1) lines.push(await memberOf(port));
  const share = lines.filter((line) => line === "v2").length / lines.length;
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.25);
  expect(await gateway.stat("listener_manager.listener_modified")).toBe(0);
});
