import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Answer } from "./answer.ts";
import { sendTraffic, type TrafficOptions } from "./traffic.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Site {
  readonly port: number;
  /** Requests per connection. */
  readonly connections: Map<Socket, number>;
}

async function serve(answer: RequestListener): Promise<Site> {
  const connections = new Map<Socket, number>();
  const server = createServer((request, response) => {
    connections.set(request.socket, (connections.get(request.socket) ?? 0) + 1);
    answer(request, response);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return { port: address.port, connections };
}

async function traffic(port: number, more: Partial<TrafficOptions> = {}): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  await sendTraffic({
    port,
    host: "shop.example.com",
    path: "/api/shop",
    rate: 100,
    durationMs: 500,
    signal: new AbortController().signal,
    onAnswer: (answer) => answers.push(answer),
    ...more,
  });
  return answers;
}

describe("sendTraffic", () => {
  test("sends exactly rate times duration GETs to the host, on kept and on fresh connections", async () => {
    const seen: string[] = [];
    const site = await serve((request, response) => {
      seen.push(`${request.method} ${request.headers.host} ${request.url}`);
      response.end("{}");
    });
    const answers = await traffic(site.port);
    expect(answers).toHaveLength(50);
    expect(answers.every(({ status, error }) => status === 200 && error === undefined)).toBe(true);
    expect(new Set(seen)).toEqual(new Set(["GET shop.example.com /api/shop"]));
    const perConnection = [...site.connections.values()];
    expect(perConnection.filter((count) => count === 1).length).toBeGreaterThanOrEqual(10);
    expect(Math.max(...perConnection)).toBeGreaterThan(1);
  });

  test("a slow answer doesn't hold up the next request", async () => {
    let underWay = 0;
    let most = 0;
    const release = Promise.withResolvers<void>();
    const site = await serve(async (_request, response) => {
      underWay += 1;
      most = Math.max(most, underWay);
      if (most >= 10) release.resolve();
      await release.promise;
      underWay -= 1;
      response.end();
    });
    expect(await traffic(site.port, { durationMs: 200 })).toHaveLength(20);
    expect(most).toBeGreaterThanOrEqual(10);
  });

  test("reports other statuses, time-outs, resets and answers that break off", async () => {
    let count = 0;
    const site = await serve((request, response) => {
      count += 1;
      if (count === 1) response.writeHead(503).end("no healthy upstream");
      else if (count === 2) request.socket.resetAndDestroy();
      else if (count === 3) response.writeHead(200, { "content-length": 10 }).write("12345", () => request.socket.destroy());
      // the fourth never gets an answer
    });
    const answers = await traffic(site.port, { rate: 200, durationMs: 20, timeoutMs: 1500 });
    expect(answers.map(({ status }) => status).toSorted()).toEqual([0, 0, 200, 503]);
    const errors = answers.map(({ error }) => error ?? "").toSorted();
    expect(errors).toEqual(["", expect.stringMatching(/^no answer within 1.5 s/), expect.anything(), expect.stringMatching(/broke off/)]);
    expect(answers.find(({ status }) => status === 503)?.body).toBe("no healthy upstream");
  });

  test("nobody listens: every request is reported as refused", async () => {
    const site = await serve(() => {});
    const [server] = servers.splice(0);
    server?.close();
    await once(server ?? process, "close");
    const answers = await traffic(site.port, { durationMs: 50 });
    expect(answers).toHaveLength(5);
    expect(answers.every(({ error }) => error?.includes("ECONNREFUSED"))).toBe(true);
  });

  test("the signal ends it at once and leaves nothing behind", async () => {
    const abort = new AbortController();
    const site = await serve(() => abort.abort());
    expect(await traffic(site.port, { durationMs: undefined, signal: abort.signal })).toEqual([]);
    await expect.poll(() => [...site.connections.keys()].every(({ destroyed }) => destroyed)).toBe(true);
    expect(await traffic(site.port, { signal: abort.signal })).toEqual([]);
  });
});
