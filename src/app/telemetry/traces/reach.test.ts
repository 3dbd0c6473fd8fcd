// Connections into the pods' network, which only the node has.

import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/harness/envoy.ts";
import { eventually } from "../../../../test/harness/eventually.ts";
import { listenOnLoopback } from "../../../../test/harness/loopback.ts";
import { silentLogger } from "../../../lib/log.ts";
import { SpanBridge } from "../../../platform/local/node/span-bridge.ts";
import { connectDirectly } from "./destination.ts";
import { reachThrough } from "./reach.ts";

test("a connection through the node says why there is none, and else carries bytes from the first one", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  stack.defer(() => void server.close());
  const echo = await listenOnLoopback(server);
  const reachPath = join(folder.path, "reach.sock");
  const dial = (address: string, port: number) =>
    address === "198.18.0.9" ? connectDirectly("127.0.0.1", port) : Promise.reject(new Error(`no pod has the address ${address}`));
  const bridge = new SpanBridge({ address: "127.0.0.1", collectorPath: "/nonexistent", ports: [], reachPath, dial, logger: silentLogger });
  bridge.listen();
  stack.defer(() => bridge.close());
  const reach = reachThrough(reachPath);
  await eventually(async () => {
    const socket = await reach("198.18.0.9", echo);
    const answer = new Promise((resolve) => socket.once("data", (chunk) => resolve(String(chunk))));
    socket.write("hello");
    expect(await answer).toBe("hello");
    socket.destroy();
    return true;
  });
  await expect(reach("198.18.0.8", echo)).rejects.toThrow("no pod has the address 198.18.0.8");
});
