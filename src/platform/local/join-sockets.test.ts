import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/harness/envoy.ts";
import { eventually } from "../../../test/harness/eventually.ts";
import { joinSockets } from "./join-sockets.ts";

let stack: AsyncDisposableStack;
let unixPath: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  unixPath = join(folder.path, "s.sock");
});

afterEach(() => stack.disposeAsync());

async function listening(
  server: Server,
  place: { readonly path: string } | { readonly port: number; readonly host: string },
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(place, resolve));
  stack.defer(() => void server.close());
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** TCP in front of a Unix socket, joined; returns what stands at both ends, and how often both were gone. */
async function bridge() {
  const far: Socket[] = [];
  const behind = createServer((socket) => void far.push(socket.on("error", () => {})));
  await listening(behind, { path: unixPath });
  const gone: number[] = [];
  const server = createServer({ allowHalfOpen: true }, (tcp) => {
    joinSockets(tcp, connect({ path: unixPath, allowHalfOpen: true }), () => gone.push(1));
  });
  const port = await listening(server, { port: 0, host: "127.0.0.1" });
  const near = connect(port, "127.0.0.1").on("error", () => {});
  stack.defer(() => void near.destroy());
  near.write("x");
  await eventually(() => far[0]?.bytesRead === 1 || far[0]?.read() !== undefined, 20_000, "the bridge to carry a byte");
  return { near, far, gone };
}

test("a reset in front of a Unix socket ends it", async () => {
  const { near, far, gone } = await bridge();
  near.resetAndDestroy();
  await eventually(() => gone.length === 1 && far[0]?.resume().destroyed === true, 20_000, "both ends to be gone");
});

test("the end of a Unix socket resets what is in front of it", async () => {
  const { near, far, gone } = await bridge();
  far[0]?.destroy();
  await eventually(() => gone.length === 1 && near.destroyed, 20_000, "both ends to be gone");
});

test("a Unix socket that isn't there ends what is in front of it", async () => {
  const server = createServer({ allowHalfOpen: true }, (tcp) => joinSockets(tcp, connect({ path: unixPath, allowHalfOpen: true })));
  const near = connect(await listening(server, { port: 0, host: "127.0.0.1" }), "127.0.0.1").on("error", () => {});
  await eventually(() => near.destroyed, 20_000, "the connection to end");
  expect(near.destroyed).toBe(true);
});
