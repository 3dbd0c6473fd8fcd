// The demo's visitors: open-loop GETs to the gateway (a slow answer doesn't slow the next request), on kept and on fresh connections.
// Bounded in rate, in requests under way, in each request's time and size. In: where and how often. Out: every answer, and the end.

import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import type { Answer } from "./answer.ts";

/** Enough to judge a version in seconds. */
export const defaultRate = 100;
export const largestRate = 200;
/** One request in so many opens a connection of its own and closes it. */
const freshEvery = 5;
const maxUnderWay = 500;
const maxBodyBytes = 1024 * 1024;
/** More than the shop's own limit per call (5 s), so that its reason arrives. */
const answerTimeoutMs = 10_000;

export interface TrafficOptions {
  /** On 127.0.0.1. */
  readonly port: number;
  /** The Host header. */
  readonly host: string;
  readonly path: string;
  /** Requests per second. */
  readonly rate: number;
  /** Undefined: until the signal. */
  readonly durationMs: number | undefined;
  /** Ends the traffic at once; what is under way is given up and not reported. */
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  /** Further headers of request `index`, which counts from 1. */
  readonly headersOf?: ((index: number) => Readonly<Record<string, string>>) | undefined;
  readonly onAnswer: (answer: Answer, index: number) => void;
}

/** Sends until the time is over and every request has its answer or timed out; resolves then, or at once when the signal aborts. */
export async function sendTraffic(options: TrafficOptions): Promise<void> {
  const sender = new Sender(options);
  try {
    await paced(options, () => sender.send());
    if (!options.signal.aborted) await sender.idle();
  } finally {
    sender.close();
  }
}

/** Calls `send` at the rate: request n is due n / rate seconds after the start, however late the timer is. */
function paced({ rate, durationMs, signal }: TrafficOptions, send: () => void): Promise<void> {
  const startedAt = performance.now();
  const last = durationMs === undefined ? Number.POSITIVE_INFINITY : Math.ceil((durationMs / 1000) * rate);
  let sent = 0;
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve();
    };
    const tick = (): void => {
      const elapsed = performance.now() - startedAt;
      const due = Math.min(last, Math.floor((elapsed / 1000) * rate) + 1);
      for (; sent < due; sent += 1) send();
      if (sent >= last) stop();
      else timer = setTimeout(tick, Math.max(1, (sent / rate) * 1000 - elapsed));
    };
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop);
    tick();
  });
}

class Sender {
  readonly #options: TrafficOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #underWay = new Set<ClientRequest>();
  #sent = 0;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  send(): void {
    this.#sent += 1;
    const index = this.#sent;
    if (this.#underWay.size >= maxUnderWay) {
      this.#options.onAnswer(noAnswer(`not sent: ${maxUnderWay} requests were under way`, 0), index);
      return;
    }
    const isFresh = index % freshEvery === 0;
    const { port, host, path, timeoutMs = answerTimeoutMs, headersOf } = this.#options;
    const agent = isFresh ? false : this.#agent;
    const startedAt = performance.now();
    const headers = { host, accept: "application/json", ...headersOf?.(index) };
    const outgoing = httpRequest({ host: "127.0.0.1", port, path, agent, headers });
    this.#underWay.add(outgoing);
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    const settle = (answer: Omit<Answer, "ms">): void => {
      if (!this.#underWay.delete(outgoing)) return;
      clearTimeout(timer);
      if (this.#closed) return;
      this.#options.onAnswer({ ...answer, ms: performance.now() - startedAt }, index);
      if (this.#underWay.size === 0) this.#onIdle?.();
    };
    outgoing.on("error", (error) => settle(noAnswer(error.message, 0)));
    outgoing.on("response", (response) => readAnswer(response, settle));
    outgoing.end();
  }

  /** Resolves when no request is under way; each has its own time limit. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#underWay.size === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  close(): void {
    this.#closed = true;
    for (const outgoing of this.#underWay) outgoing.destroy();
    this.#agent.destroy();
  }
}

function readAnswer(response: IncomingMessage, settle: (answer: Omit<Answer, "ms">) => void): void {
  const { statusCode: status = 0, headers } = response;
  let body = "";
  response.setEncoding("utf8");
  response.on("data", (text: string) => {
    body += text;
    if (body.length > maxBodyBytes) response.destroy(new Error(`an answer of more than ${maxBodyBytes} bytes`));
  });
  response.on("end", () => settle({ status, headers, body, error: undefined }));
  response.on("error", (error) => settle({ status, headers, body, error: `the answer broke off: ${error.message}` }));
}

function noAnswer(error: string, ms: number): Answer {
  return { status: 0, headers: {}, body: "", ms, error };
}
