import { expect, test } from "vitest";
import type { ApiClient } from "../http/client-types.ts";
import { waitUntilReady } from "./wait-ready.ts";

type Lists = Pick<ApiClient, "list">;

const pod = (name: string, ready?: { readonly status: string; readonly message?: string }) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop" },
  ...(ready === undefined ? {} : { status: { conditions: [{ type: "Ready", ...ready }] } }),
});

const deployment = (availableReplicas: number, observedGeneration = 1) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "shop", generation: 1 },
  spec: { replicas: 2 },
  status: { observedGeneration, availableReplicas, updatedReplicas: 2 },
});

/** An API that gives one world after the other, the last one for ever. */
function apiOf(...worlds: readonly { readonly Pod: readonly object[]; readonly Deployment: readonly object[] }[]): Lists {
  let asked = 0;
  return {
    list: (kind) => {
      const world = worlds[Math.min(Math.floor(asked++ / 2), worlds.length - 1)];
      const items = kind === "Pod" || kind === "Deployment" ? (world?.[kind] ?? []) : [];
      return Promise.resolve({ items: items.filter(isRaw), resourceVersion: "1" });
    },
  };
}

function isRaw(item: object): item is Awaited<ReturnType<ApiClient["list"]>>["items"][number] {
  return "apiVersion" in item && "kind" in item && "metadata" in item;
}

async function waited(api: Lists, options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}) {
  const lines: string[] = [];
  const { timeoutMs = 10_000, signal = new AbortController().signal } = options;
  const waiting = await waitUntilReady(api, { timeoutMs, signal, onProgress: (line) => lines.push(line) });
  return { waiting, lines };
}

const ready = { status: "True" };

test("waits for every pod and every replica, and tells each pod once", async () => {
  const api = apiOf(
    { Pod: [], Deployment: [deployment(0, 0)] },
    { Pod: [pod("web-1", ready), pod("web-2")], Deployment: [deployment(1)] },
    { Pod: [pod("web-1", ready), pod("web-2", ready)], Deployment: [deployment(1)] },
    { Pod: [pod("web-1", ready), pod("web-2", ready)], Deployment: [deployment(2)] },
  );
  expect(await waited(api)).toEqual({ waiting: [], lines: ["shop/web-1 is ready", "shop/web-2 is ready"] });
});

test("a Deployment whose controller hasn't seen it yet isn't ready, however many replicas are", async () => {
  const { waiting } = await waited(apiOf({ Pod: [], Deployment: [deployment(2, 0)] }), { timeoutMs: 1 });
  expect(waiting.map(({ name }) => name)).toEqual(["deployment shop/web"]);
});

test("at the deadline, or when it is stopped, it says who is missing and why", async () => {
  const stuck = apiOf({
    Pod: [pod("web-1", { status: "False", message: "no command is known" }), pod("web-2")],
    Deployment: [deployment(0)],
  });
  const expected = [
    { name: "shop/web-1", reason: "no command is known" },
    { name: "shop/web-2", reason: "not started yet" },
    { name: "deployment shop/web", reason: "0 of 2 replicas are available" },
  ];
  expect((await waited(stuck, { timeoutMs: 1 })).waiting).toEqual(expected);
  expect((await waited(stuck, { signal: AbortSignal.abort() })).waiting).toEqual(expected);
});
