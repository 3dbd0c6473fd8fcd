// The shop's programs, started as processes on loopback and wired by environment variables: the whole chain, the headers
// they pass on, what a visitor sees when the remote API is gone, and a graceful end.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

const SHOP = path.join(import.meta.dirname, "..");
const START_DEADLINE_MS = 60_000;

const answerSchema = z.object({
  greeting: z.string(),
  tester: z.boolean(),
  products: z.array(
    z.object({
      name: z.string(),
      priceUsdCents: z.number(),
      priceEurCents: z.number().optional(),
      inStock: z.number(),
      stars: z.number().optional(),
    }),
  ),
  rate: z.object({ currency: z.string(), rate: z.number() }).nullable(),
  notes: z.array(z.string()),
  hops: z.array(z.object({ service: z.string(), version: z.string(), pod: z.string(), ms: z.number(), dbMs: z.number().optional() })),
});

type Program = { readonly process: ChildProcess; readonly port: number; readonly url: string };

const started: ChildProcess[] = [];
const folder = mkdtempSync(path.join(tmpdir(), "shop-"));

/** Starts a program of the shop on a free port and resolves once it says that it listens. */
async function start(script: string, env: Record<string, string> = {}): Promise<Program> {
  const child = spawn(process.execPath, [path.join(SHOP, script)], {
    env: { PATH: process.env["PATH"], PORT: "0", SNAPSHOT_DIR: folder, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface({ input: child.stdout })) {
    const port = / listening on (\d+)$/.exec(line)?.[1];
    if (port === undefined) continue;
    child.stdout.resume();
    return { process: child, port: Number(port), url: `http://127.0.0.1:${port}` };
  }
  throw new Error(`${script} ended before it listened`);
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}

async function shopOf(web: Program, headers: Record<string, string> = {}) {
  const response = await fetch(`${web.url}/api/shop`, { headers });
  expect(response.status).toBe(200);
  return { shop: answerSchema.parse(await response.json()), hops: response.headers.get("x-shop-hops") };
}

function portOf(server: net.Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}

/** An HTTP server that answers as `answer` says and remembers the requests it saw. */
async function stub(answer: http.RequestListener): Promise<{ server: http.Server; url: string }> {
  const server = http.createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${portOf(server)}` };
}

/** What the sidecar of rates does: plain HTTP in, TLS to the remote API out, 503 when it is away. */
async function tlsOrigination(port: number, ca: string): Promise<string> {
  const { server, url } = await stub((incoming, outgoing) => {
    const { url: requestPath = "/", headers } = incoming;
    https
      .get({ host: "localhost", port, path: requestPath, ca, headers, agent: false }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
      })
      .on("error", () => outgoing.writeHead(503).end("upstream connect error"));
  });
  sidecars.push(server);
  return url;
}

const sidecars: http.Server[] = [];

afterAll(async () => {
  for (const server of sidecars) {
    server.close();
    server.closeAllConnections();
  }
  await Promise.all(started.map((child) => stop(child, "SIGKILL")));
  rmSync(folder, { recursive: true, force: true });
});

describe("the whole shop", () => {
  let remote: Program;
  let web: Program;
  let rates: Program;
  let stock: Program;

  beforeAll(async () => {
    const authority = path.join(folder, "authority.pem");
    const dbStarts = start("services/db/server.mjs", { HOST: "127.0.0.1" });
    remote = await start("remote/server.mjs", { RATES_NAME: "localhost", RATES_CA_FILE: authority });
    const sidecar = await tlsOrigination(remote.port, readFileSync(authority, "utf8"));
    rates = await start("services/rates/server.mjs", { REMOTE_URL: `${sidecar}/latest` });
    const db = await dbStarts;
    stock = await start("services/stock/server.mjs", { PGHOST: "127.0.0.1", PGPORT: String(db.port), PGPASSWORD: "x" });
    const catalog = await start("services/catalog/server.mjs", {
      VERSION: "v2",
      STOCK_URL: `${stock.url}/levels`,
      RATES_URL: `${rates.url}/EUR`,
    });
    const theme = path.join(folder, "theme.json");
    writeFileSync(theme, JSON.stringify({ accent: "#123456" }));
    web = await start("services/web/server.mjs", {
      CATALOG_URL: `${catalog.url}/products`,
      GREETING: "Hello <you>",
      THEME_FILE: theme,
    });
  }, START_DEADLINE_MS);

  test("answers with the products of the database, euro prices of the remote API, and the version of every hop", async () => {
    const { shop, hops } = await shopOf(web, { "x-shop-tester": "yes" });
    expect(hops).toBe("web=v1,catalog=v2,stock=v1,rates=v1");
    expect(shop.hops.map((hop) => hop.service)).toEqual(["web", "catalog", "stock", "rates"]);
    expect(shop.hops[0]?.ms).toBeGreaterThanOrEqual(shop.hops[1]?.ms ?? Infinity);
    expect(shop.hops[2]?.dbMs).toBeGreaterThan(0);
    expect(shop.products).toHaveLength(4);
    expect(shop.products[0]).toEqual({ name: "cup", priceUsdCents: 900, priceEurCents: 828, inStock: 40, stars: 4 });
    expect(shop).toMatchObject({ tester: true, notes: [], rate: { currency: "EUR", rate: 0.92 } });
  });

  test("shows the page as HTML, escaped, in the theme's colour", async () => {
    const response = await fetch(web.url);
    const page = await response.text();
    expect(response.headers.get("content-type")).toContain("text/html");
    expect(page).toContain("Hello &#60;you&#62;");
    expect(page).toContain("#123456");
    expect(page).toContain("€8.28");
  });

  test("serves many requests at once", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => shopOf(web)));
    expect(answers.every(({ shop }) => shop.products.length === 4 && shop.notes.length === 0)).toBe(true);
  });

  test("answers 404 with a reason, and /healthz", async () => {
    const missing = await fetch(`${web.url}/constructor`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ error: "no such page: GET /constructor" });
    expect((await fetch(`${web.url}/healthz`)).status).toBe(200);
  });

  test("without the remote API rates answers 502 and the shop goes on without euro prices", async () => {
    await stop(remote.process, "SIGKILL");
    const direct = await fetch(`${rates.url}/EUR`);
    expect(direct.status).toBe(502);
    expect(await direct.json()).toEqual({ error: expect.stringMatching(/^remote rates API answered 503: upstream connect error/) });
    const { shop, hops } = await shopOf(web);
    expect(hops).toBe("web=v1,catalog=v2,stock=v1");
    expect(shop.rate).toBeNull();
    expect(shop.notes).toEqual([expect.stringContaining("rates unavailable")]);
    expect(await (await fetch(web.url)).text()).toContain("rates unavailable");
  });

  test("without stock web answers 502 and names the cause", async () => {
    await stop(stock.process, "SIGKILL");
    const response = await fetch(`${web.url}/api/shop`);
    expect(response.status).toBe(502);
    expect(response.headers.get("x-shop-failed")).toBe("web=v1");
    expect(await response.json()).toEqual({ error: expect.stringMatching(/catalog answered 502: stock: .*ECONNREFUSED/) });
  });
});

test("passes tracing and cohort headers on, and nothing else", async () => {
  const seen: http.IncomingHttpHeaders[] = [];
  const upstream = await stub((request, response) => {
    seen.push(request.headers);
    response.end(JSON.stringify({ products: [], rate: null, notes: [], hops: [] }));
  });
  const web = await start("services/web/server.mjs", { CATALOG_URL: upstream.url });
  const passed = {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "a=b",
    "x-request-id": "r1",
    b3: "0",
    "x-b3-traceid": "1",
    "x-b3-sampled": "1",
    "x-shop-tester": "yes",
  };
  await shopOf(web, { ...passed, authorization: "secret", cookie: "a=b" });
  upstream.server.close();
  expect(seen[0]).toMatchObject(passed);
  expect(seen[0]).not.toHaveProperty("authorization");
  expect(seen[0]).not.toHaveProperty("cookie");
});

test("SIGTERM: finishes the request it holds, accepts no new one, exits with 0", async () => {
  const held = Promise.withResolvers<http.ServerResponse>();
  const upstream = await stub((_request, response) => held.resolve(response));
  const web = await start("services/web/server.mjs", { CATALOG_URL: upstream.url });
  const pending = fetch(`${web.url}/api/shop`);
  const upstreamAnswer = await held.promise;
  const exit = once(web.process, "exit");
  web.process.kill("SIGTERM");
  await expect
    .poll(
      () =>
        fetch(`${web.url}/healthz`).then(
          () => "accepts",
          () => "refuses",
        ),
      { timeout: 10_000 },
    )
    .toBe("refuses");
  upstreamAnswer.end(JSON.stringify({ products: [], rate: null, notes: [], hops: [] }));
  expect((await pending).status).toBe(200);
  expect(await exit).toEqual([0, null]);
  upstream.server.close();
});

test(
  "stock waits for a database that starts late",
  async () => {
    // Like a sidecar: accepts connections before there is a database, and closes them.
    let dbPort: number | undefined;
    const sockets = new Set<net.Socket>();
    const sidecar = net.createServer((client) => {
      sockets.add(client);
      client.on("error", () => client.destroy());
      if (dbPort === undefined) {
        client.end();
        return;
      }
      const db = net.connect(dbPort, "127.0.0.1");
      db.on("error", () => client.destroy());
      client.pipe(db).pipe(client);
    });
    sidecar.listen(0, "127.0.0.1");
    await once(sidecar, "listening");
    const stock = await start("services/stock/server.mjs", { PGHOST: "127.0.0.1", PGPORT: String(portOf(sidecar)), PGPASSWORD: "x" });
    const early = await fetch(`${stock.url}/levels`);
    expect(early.status).toBe(503);
    expect(await early.json()).toEqual({ error: expect.stringMatching(/^database: not ready: /) });
    const db = await start("services/db/server.mjs", { HOST: "127.0.0.1" });
    dbPort = db.port;
    await expect.poll(async () => (await fetch(`${stock.url}/levels`)).status, { timeout: START_DEADLINE_MS }).toBe(200);
    for (const socket of sockets) socket.destroy();
    sidecar.close();
  },
  START_DEADLINE_MS,
);
