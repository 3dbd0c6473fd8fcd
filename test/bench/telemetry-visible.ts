// How long until a request is seen: from the visitor's answer until `lateen stat` and the graph have counted it, in the demo's shop.

import { request } from "node:http";
import type { ApiClient } from "../../src/http/client-types.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { summaryOf } from "./numbers.ts";
import { type ShopMesh, startShop } from "./shop-mesh.ts";

const counts = { full: 20, quick: 3 };
const pollMs = 10;
const giveUpMs = 20_000;

async function run(context: BenchContext): Promise<Outcome> {
  const shop = await startShop(context);
  const port = await gatewayPort(shop);
  const stat: number[] = [];
  const graph: number[] = [];
  // The first requests open connections and begin series.
  for (let index = 0; index < 3; index += 1) await visit(port);
  await pause(2500);
  for (let index = 0; index < (context.quick ? counts.quick : counts.full); index += 1) {
    stat.push(await untilSeen(shop.client, port, statCount));
    graph.push(await untilSeen(shop.client, port, graphCount));
    context.progress(
      `request ${index + 1}: in stat after ${Math.round(stat.at(-1) ?? 0)} ms, in the graph after ${Math.round(graph.at(-1) ?? 0)} ms`,
    );
    // Another moment of the second each time.
    await pause(137);
  }
  await shop.stop();
  const measured = { statMs: summaryOf(stat, 0), graphMs: summaryOf(graph, 0) };
  return { measured, reached: { statMs: Math.max(...stat) < target.statMs, graphMs: Math.max(...graph) < target.graphMs } };
}

type Count = (client: ApiClient) => Promise<number>;

const windowMs = 60_000;

/** Requests to web in the last minute, as its callers counted them. */
const statCount: Count = async (client) => {
  const { rows } = await client.stat({ by: "service", name: "web", windowMs });
  return rows.reduce((sum, { requests }) => sum + (requests ?? 0), 0);
};

const graphCount: Count = async (client) => {
  const { edges } = await client.edges({ windowMs });
  return edges.reduce((sum, { to, requests }) => sum + (to.name.includes("web") ? (requests ?? 0) : 0), 0);
};

async function untilSeen(client: ApiClient, port: number, count: Count): Promise<number> {
  const before = await count(client);
  await visit(port);
  const startedMs = performance.now();
  for (;;) {
    const waited = performance.now() - startedMs;
    if ((await count(client)) > before) return performance.now() - startedMs;
    if (waited > giveUpMs) throw new Error(`the request was not seen within ${giveUpMs / 1000} s`);
    await pause(pollMs);
  }
}

function visit(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path: "/api/shop", headers: { host: "shop.example.com" } }, (answer) => {
      answer.resume();
      answer.once("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`the shop answered ${answer.statusCode}`))));
    });
    call.once("error", reject);
    call.end();
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `lateen up` says it just after that everything is ready. */
async function gatewayPort({ lines }: ShopMesh): Promise<number> {
  const port = () => lines.map(({ text }) => /gateway port .*127\.0\.0\.1:(\d+)/.exec(text)?.[1]).find((found) => found !== undefined);
  await eventually(() => port() !== undefined, giveUpMs, "the gateway's port");
  return Number(port());
}

const target = { statMs: 2000, graphMs: 2000 };

export const benchmark: Benchmark = {
  name: "telemetry-visible",
  summary: "time until a request is seen in stat and in the graph",
  target,
  run,
};
