// The process of pod-process.ts, inside its network namespace: network, servers, Envoys, clients.

import { openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { runTool } from "../../src/platform/local/run-tool.ts";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { findTools } from "../../src/platform/local/tools.ts";
import { eventually } from "../harness/eventually.ts";
import { serveCalls } from "./ipc-calls.ts";
import { summaryOf } from "./numbers.ts";
import { startProcess } from "./workspace.ts";

const envoyReadyMs = 60_000;

const networkSchema = z.object({
  podAddress: z.string(),
  endpointAddresses: z.array(z.string()),
  cable: z.object({ name: z.string(), pid: z.number() }).optional(),
  rules: z.string(),
});
const followSchema = z.object({ name: z.string(), address: z.string(), source: z.string() });
const backendSchema = z.object({ address: z.string(), port: z.number(), body: z.string() });
const target = { address: z.string(), port: z.number(), host: z.string() };
const untilSchema = z.object({ ...target, body: z.string() });
const loadSchema = z.object({ ...target, seconds: z.number(), connections: z.number(), requestsPerSecond: z.number().optional() });
const envoySchema = z.object({
  program: z.string(),
  bootstrap: z.record(z.string(), z.unknown()),
  adminPath: z.string(),
  folder: z.string(),
  name: z.string(),
  core: z.union([z.literal(0), z.literal(1)]),
});

/**
 * Endpoints live on the loopback device. Everything else goes to the neighbour, or would go to a device with nobody behind it, but the capture
 * rules turn it round.
 */
async function network(input: unknown): Promise<void> {
  const { podAddress, endpointAddresses, cable, rules } = networkSchema.parse(input);
  const tools = findTools();
  const lines = [
    "link set lo up",
    cable === undefined ? "link add pod0 type veth peer name pod1" : `link add pod0 type veth peer name ${cable.name} netns ${cable.pid}`,
    `addr add ${podAddress}/32 dev pod0`,
    "link set pod0 up",
    "route add default dev pod0",
    ...endpointAddresses.map((address) => `addr add ${address}/32 dev lo`),
  ];
  await runTool({ program: tools.ip, args: ["-batch", "-"], input: `${lines.join("\n")}\n` });
  await runTool({ program: tools.nft, args: ["-f", "-"], input: rules });
}

async function follow(input: unknown): Promise<void> {
  const { name, address, source } = followSchema.parse(input);
  const lines = [`link set ${name} up`, `route add ${address}/32 dev ${name} src ${source}`];
  await runTool({ program: findTools().ip, args: ["-batch", "-"], input: `${lines.join("\n")}\n` });
}

async function backend(input: unknown): Promise<void> {
  const { address, port, body } = backendSchema.parse(input);
  const server = createServer({ keepAliveTimeout: 600_000 }, (_, response) => response.end(body));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, address, resolve));
}

/** The flags are those of src/platform/local/sidecar.ts. */
async function envoy(input: unknown): Promise<number> {
  const { program, bootstrap, adminPath, folder, name, core } = envoySchema.parse(input);
  const config = join(folder, `${name}.json`);
  writeFileSync(config, JSON.stringify(bootstrap));
  const log = openSync(join(folder, `${name}.log`), "a");
  const flags = ["--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "1000", "--log-level", "warning"];
  const child = startProcess([program, "-c", config, ...flags], { core, stdio: ["ignore", log, log] });
  await eventually(
    async () => {
      if (child.exitCode !== null) {
        const said = readFileSync(join(folder, `${name}.log`), "utf8").slice(-2000);
        throw new Error(`Envoy ${name} ended with ${child.exitCode}: ${said}`);
      }
      return (await askAdmin(adminPath, "GET", "/ready").catch(() => ({ status: 0 }))).status === 200;
    },
    envoyReadyMs,
    `Envoy ${name}`,
  );
  return child.pid ?? 0;
}

const untilMs = 10_000;

/** One connection, one request at a time, as fast as they are answered. */
async function until(input: unknown) {
  const { body, ...place } = untilSchema.parse(input);
  const client = new LineClient(await opened(place), place.host);
  const start = performance.now();
  let last = start;
  let longestGapMs = 0;
  let requests = 0;
  let failures = 0;
  for (;;) {
    const answer = await client.ask();
    const now = performance.now();
    requests += 1;
    if (answer.status !== 200) failures += 1;
    longestGapMs = Math.max(longestGapMs, now - last);
    last = now;
    if (answer.body === body) break;
    if (now - start > untilMs)
      throw new Error(`no answer "${body}" within ${untilMs} ms; the last one was ${answer.status} ${answer.body}`);
  }
  client.close();
  return { atMs: performance.timeOrigin + last, requests, failures, longestGapMs };
}

async function load(input: unknown) {
  const { seconds, connections, requestsPerSecond, ...place } = loadSchema.parse(input);
  const start = performance.now();
  const end = start + seconds * 1000;
  const pauseMs = requestsPerSecond === undefined ? 0 : (connections * 1000) / requestsPerSecond;
  let failures = 0;
  const times: number[] = [];
  const worker = async (_: unknown, index: number) => {
    const client = new LineClient(await opened(place), place.host);
    // Connections take turns. One that is late sends at once, and makes up for nothing.
    for (let due = start + (pauseMs * index) / connections; ; due = Math.max(due + pauseMs, performance.now())) {
      const early = due - performance.now();
      if (early > 0) await wait(early);
      const sent = performance.now();
      if (sent >= end) break;
      const { status } = await client.ask();
      times.push(performance.now() - sent);
      if (status !== 200) failures += 1;
    }
    client.close();
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const { median, p99 } = summaryOf(times, 3);
  return { requests: times.length, failures, seconds: (performance.now() - start) / 1000, medianMs: median, p99Ms: p99 };
}

function opened({ address, port }: { readonly address: string; readonly port: number }): Promise<Socket> {
  const socket = connect({ host: address, port, noDelay: true });
  return new Promise((resolve, reject) => socket.once("error", reject).once("connect", () => resolve(socket)));
}

interface LineAnswer {
  readonly status: number;
  readonly body: string;
}

/** A bare HTTP/1.1 client: node:http would cost more CPU than the proxy that is measured. Answers carry a content-length or chunks. */
class LineClient {
  readonly #socket: Socket;
  readonly #request: string;
  #text = "";
  #answered: ((answer: LineAnswer) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#request = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => this.#read(chunk));
    socket.on("error", (error) => this.#failed?.(error));
    socket.on("close", () => this.#failed?.(new Error("the connection was closed")));
  }

  ask(): Promise<LineAnswer> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      this.#socket.write(this.#request);
    });
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#text += chunk;
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const body = bodyOf(this.#text.slice(0, headEnd).toLowerCase(), this.#text.slice(headEnd + 4));
    if (body === undefined) return;
    const status = Number(this.#text.slice(9, 12));
    this.#text = "";
    this.#answered?.({ status, body });
  }
}

/** The whole body; undefined while some of it is missing. */
function bodyOf(head: string, rest: string): string | undefined {
  const at = head.indexOf("content-length: ");
  if (at >= 0) {
    const length = Number.parseInt(head.slice(at + 16), 10);
    return rest.length < length ? undefined : rest.slice(0, length);
  }
  if (!rest.endsWith("0\r\n\r\n")) return undefined;
  return rest.slice(rest.indexOf("\r\n") + 2, rest.indexOf("\r\n", rest.indexOf("\r\n") + 2));
}

serveCalls({ network, follow, backend, envoy, until, load });
