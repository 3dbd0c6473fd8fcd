// Watches: what they tell, and what becomes of them when server or reader are away.

import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import type { ApiClient, ClientWatchEvent } from "./client-types.ts";
import { client, configMap, ref, send, server, socketPath, startAgain, store, useApi } from "./testing/api.ts";

useApi();

describe("watch", () => {
  /** Collects events in the background. */
  function collect(request: Parameters<ApiClient["watch"]>[1] = {}): { events: ClientWatchEvent[]; seen: () => string[] } {
    const events: ClientWatchEvent[] = [];
    void (async () => {
      for await (const event of client.watch("ConfigMap", request)) events.push(event);
    })();
    const seen = () => events.map((event) => ("object" in event ? `${event.type} ${event.object.metadata.name}` : event.type));
    return { events, seen };
  }

  test("tells the state, then each change, and respects selectors in both directions", async () => {
    store.create(configMap("before", {}, { app: "web" }));
    const { events, seen } = collect({ labelSelector: "app=web" });
    await expect.poll(() => seen()).toEqual(["sync"]);
    expect(events[0]).toMatchObject({ items: [{ metadata: { name: "before" } }] });
    store.create(configMap("other"));
    store.create(configMap("a", {}, { app: "web" }));
    store.update(configMap("a", { k: "1" }, { app: "web" }));
    store.update(configMap("a", { k: "1" }));
    store.update(configMap("other", {}, { app: "web" }));
    store.delete(ref("other"));
    await expect.poll(() => seen().slice(1)).toEqual(["added a", "modified a", "deleted a", "added other", "deleted other"]);
  });

  test("resumes after a restart without a relist, and relists when the history is too short", async () => {
    const { seen } = collect();
    await expect.poll(() => seen()).toEqual(["sync"]);
    store.create(configMap("a"));
    await expect.poll(() => seen()).toEqual(["sync", "added a"]);
    await server.close();
    store.create(configMap("while-away"));
    await startAgain();
    await expect.poll(() => seen().filter((event) => event !== "down")).toEqual(["sync", "added a", "added while-away"]);
    await server.close();
    for (let index = 0; index < 60; index += 1) store.create(configMap(`many-${index}`));
    await startAgain();
    await expect.poll(() => seen().at(-1)).toBe("sync");
  });

  test("a revision the server does not know is answered with 410 inside the stream; bookmarks tell where it is", async () => {
    const answer = await send("GET", "/api/v1/configmaps?watch=1&resourceVersion=999");
    expect(JSON.parse(answer.body)).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
    await server.close();
    await startAgain({ bookmarkMs: 10 });
    const lines = (await send("GET", "/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=1")).body;
    expect(JSON.parse(lines.split("\n")[0] ?? "")).toMatchObject({ type: "BOOKMARK", object: { metadata: { resourceVersion: "1" } } });
  });

  test("a watcher that does not read is cut off", { timeout: 20_000 }, async () => {
    await server.close();
    await startAgain({ maxUnreadBytes: 64 * 1024 });
    const socket = connect(socketPath());
    let closed = false;
    socket.once("close", () => {
      closed = true;
    });
    socket.pause();
    socket.write("GET /api/v1/configmaps?watch=1&resourceVersion=1 HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(socket, "connect");
    const big = "x".repeat(100_000);
    store.create(configMap("big"));
    // The kernel buffers some of it; what is beyond stays in the server, which must let go.
    for (let round = 0; round < 40; round += 1) {
      store.update(configMap("big", { big, round: String(round) }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.resume();
    await expect.poll(() => closed).toBe(true);
    socket.destroy();
  });
});
