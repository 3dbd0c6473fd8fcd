// The tap over a real socket: lines as they come, the watcher's end whoever leaves, and a reader that doesn't read.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Fastify, { type FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NotFound } from "../lib/errors.ts";
import { createApiClient } from "./client.ts";
import type { ApiClient } from "./client-types.ts";
import { addTapRoute } from "./routes/tap.ts";
import type { TapLine, TapQuery } from "./tap-contract.ts";

let folder: string;
let socketPath: string;
let app: FastifyInstance;
let client: ApiClient;
let ending: AbortController;
let watchers: { readonly query: TapQuery; readonly send: (line: TapLine) => boolean; isThere: boolean }[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tap-"));
  socketPath = join(folder, "api.sock");
  [ending, watchers] = [new AbortController(), []];
  app = Fastify({ forceCloseConnections: true });
  const watch = (query: TapQuery, send: (line: TapLine) => boolean) => {
    if (query.party === "nobody") throw new NotFound("nobody is there");
    const watcher = { query, send, isThere: true };
    watchers.push(watcher);
    return () => {
      watcher.isThere = false;
    };
  };
  addTapRoute(app, { taps: { watch }, signal: ending.signal });
  await app.listen({ path: socketPath });
  client = createApiClient({ socketPath });
});

afterEach(async () => {
  client.close();
  ending.abort();
  await app.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Reads into the list until the signal; resolves with what ended it. */
function read(query: TapQuery, lines: TapLine[], signal: AbortSignal): Promise<unknown> {
  const all = async (): Promise<void> => {
    for await (const line of client.tap(query, { signal })) lines.push(line);
  };
  return all().then(
    () => "ended",
    (error: unknown) => error,
  );
}

test("the query arrives, lines come, and leaving ends it", async () => {
  const lines: TapLine[] = [];
  const abort = new AbortController();
  const query = { party: "web", status: "5xx", minDurationMs: 100, failed: true, mirrored: false };
  const done = read(query, lines, abort.signal);
  await expect.poll(() => watchers.length).toBe(1);
  expect(watchers[0]?.query).toEqual(query);
  expect(watchers[0]?.send({ type: "watching", proxies: 3 })).toBe(true);
  await expect.poll(() => lines).toEqual([{ type: "watching", proxies: 3 }]);
  abort.abort();
  await done;
  await expect.poll(() => watchers[0]?.isThere).toBe(false);
  expect(watchers[0]?.send({ type: "alive" })).toBe(false);
});

test("the server's end is told from one's own, and mistakes are answered", async () => {
  const done = read({}, [], new AbortController().signal);
  await expect.poll(() => watchers.length).toBe(1);
  ending.abort();
  expect(await done).toMatchObject({ code: "unavailable" });
  expect(watchers[0]?.isThere).toBe(false);
  expect(await read({ party: "nobody" }, [], new AbortController().signal)).toMatchObject({
    message: expect.stringContaining("nobody is there"),
  });
});

test("who doesn't read is given no more than a bounded amount", async () => {
  const socket = connect(socketPath);
  socket.pause().write("GET /lateen/v1/tap HTTP/1.1\r\nhost: x\r\n\r\n");
  await expect.poll(() => watchers.length).toBe(1);
  const send = watchers[0]?.send ?? (() => false);
  let taken = 0;
  // Kernel buffers take some, the server's own queue a quarter of a MiB.
  await expect
    .poll(() => {
      for (let line = 0; line < 1000; line++) taken += send({ type: "dropped", count: 1e15 }) ? 1 : 0;
      return send({ type: "alive" });
    })
    .toBe(false);
  expect(taken).toBeLessThan(100_000);
  socket.destroy();
  await once(socket, "close");
  await expect.poll(() => watchers[0]?.isThere).toBe(false);
});
