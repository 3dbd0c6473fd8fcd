// HTTP load from inside a pod: a bounded number of requests, keep-alive and fresh connections, every answer counted.
import { Agent, request as httpRequest } from "node:http";

/** One request; never rejects: a failure is `{status: 0, error}`. */
function one({ url, method, headers, body, agent, timeoutMs, signal }) {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const done = (result) => resolve({ ...result, ms: performance.now() - startedAt });
    const request = httpRequest(url, { method, headers, agent, signal }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString("utf8") }),
      );
      response.on("error", (error) => done({ status: 0, error: String(error) }));
    });
    request.setTimeout(timeoutMs, () => request.destroy(new Error("time-out")));
    request.on("error", (error) => done({ status: 0, error: String(error) }));
    request.end(body);
  });
}

function versionOf(result) {
  return result.headers?.["x-served-by"] ?? "";
}

/**
 * command: {url, method, headers, body, count, concurrency, ratePerSecond, durationMs, freshShare, timeoutMs, summary}.
 * With `summary` only counts come back: {total, byStatus, byVersion, failures: first ten}.
 */
export async function runHttp(command) {
  const { count = 1, concurrency = 8, ratePerSecond, durationMs, summary = false } = command;
  const { send, results, close } = senderOf(command);
  if (ratePerSecond === undefined) await closedLoop(count, concurrency, send);
  else await openLoop(ratePerSecond, durationMs ?? 1000, send);
  close();
  return summary ? summaryOf(results) : results;
}

const loads = new Map();
const longestLoadMs = 600_000;

/** Sends at a fixed rate in the background until stopLoad({id}); the command is that of runHttp. */
export function startLoad(command) {
  const { send, results, close } = senderOf(command);
  const load = { stopped: false, results, close, done: undefined };
  load.done = openLoop(command.ratePerSecond, longestLoadMs, send, () => load.stopped);
  loads.set(command.id, load);
  return {};
}

/** Stops a load, waits for its last answers, and counts. */
export async function stopLoad({ id }) {
  const load = loads.get(id);
  if (load === undefined) throw new Error(`no load ${id}`);
  loads.delete(id);
  load.stopped = true;
  await load.done;
  load.close();
  return summaryOf(load.results);
}

function senderOf(command) {
  const { freshShare = 0, timeoutMs = 10_000 } = command;
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const fresh = new Agent({ keepAlive: false });
  const results = [];
  const send = async (index) => {
    const useFresh = freshShare > 0 && index % Math.max(1, Math.round(1 / freshShare)) === 0;
    const post = command.mixPost === true && index % 3 === 0;
    const method = post ? "POST" : (command.method ?? "GET");
    const result = await one({
      ...command,
      method,
      body: post ? "x".repeat(100) : command.body,
      agent: useFresh ? fresh : agent,
      timeoutMs,
    });
    results.push(command.id === undefined ? result : { ...result, body: result.status === 200 ? "" : result.body });
  };
  const close = () => {
    agent.destroy();
    fresh.destroy();
  };
  return { send, results, close };
}

async function closedLoop(count, concurrency, send) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      await send(next);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
}

/** Sends at a fixed rate whether or not answers come, so that a stall is seen as failures or latency, never hidden. */
async function openLoop(ratePerSecond, durationMs, send, isStopped = () => false) {
  const startedAt = performance.now();
  const total = Math.floor((ratePerSecond * durationMs) / 1000);
  const pending = [];
  for (let index = 0; index < total && !isStopped(); ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) * ratePerSecond) / 1000) + 1);
    for (; index < due; index++) pending.push(send(index));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(pending);
}

function summaryOf(results) {
  const byStatus = {};
  const byVersion = {};
  for (const result of results) {
    byStatus[result.status] = (byStatus[result.status] ?? 0) + 1;
    const version = versionOf(result);
    byVersion[version] = (byVersion[version] ?? 0) + 1;
  }
  const failures = results
    .filter(({ status }) => status !== 200)
    .slice(0, 10)
    .map(({ status, body, error, ms }) => ({ status, body, error, ms }));
  return { total: results.length, byStatus, byVersion, failures };
}
