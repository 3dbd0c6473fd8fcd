// The metrics port when it is free, taken, wanted, or the one that the control plane before had.

import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { eventually } from "../../../test/harness/eventually.ts";
import type { MetricsView } from "../../http/metrics-contract.ts";
import { silentLogger } from "../../lib/log.ts";
import { type MetricsPort, openMetricsPort } from "./metrics-port.ts";

const view: MetricsView = {
  mesh: async () => ["a 1\n"],
  controlPlane: async () => [],
  proxy: () => ({ families: [] }),
  podPage: async () => ({ status: 200, contentType: "text/plain", text: "" }),
  targets: () => [],
};

const open: (Server | MetricsPort)[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function takenPort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  open.push(server);
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

async function opened(port: number, whenTaken: "another" | "fail" | "wait"): Promise<MetricsPort> {
  const found = await openMetricsPort({ port, whenTaken }, view, silentLogger);
  open.push(found);
  return found;
}

const answers = (port: number) => fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text());

test("none when none is wished for", async () => {
  expect((await openMetricsPort(undefined, view, silentLogger)).port).toBeUndefined();
});

test("a default that is taken gives way to any free one", async () => {
  const { port } = await takenPort();
  const found = await opened(port, "another");
  expect(found.port).not.toBe(port);
  expect(await answers(found.port ?? 0)).toBe("a 1\n");
});

test("one that a person asked for ends the start", async () => {
  const { port } = await takenPort();
  await expect(opened(port, "fail")).rejects.toThrow(`127.0.0.1:${port}`);
});

test("the one that the mesh had before is waited for", async () => {
  const { port, server } = await takenPort();
  expect((await opened(port, "wait")).port).toBe(port);
  server.close();
  await eventually(async () => (await answers(port).catch(() => "")) === "a 1\n", 20_000);
});
