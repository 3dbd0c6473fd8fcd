// One destination of spans: a bounded queue, sent in batches, each tried again until it is taken, refused for good, or pushed out by newer ones.

import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { ForwardView } from "../../../http/traces-contract.ts";
import { MeshError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { TraceProvider } from "../../../model/telemetry-settings.ts";
import type { Span } from "../../../telemetry/traces/span.ts";
import { sendSpans } from "./send-spans.ts";

export interface ForwarderOptions {
  readonly provider: TraceProvider;
  readonly connect: () => Promise<Socket>;
  readonly logger: Logger;
  /** Spans that may wait; the oldest go first. Default 20,000, about 20 MiB. */
  readonly maxQueued?: number;
  /** How long spans are gathered, and the first pause after a failure, in ms; pauses double up to 30 s. Default 500. */
  readonly pauseMs?: number;
}

const batchSize = 512;
const maxPauseMs = 30_000;

export class Forwarder {
  readonly provider: TraceProvider;
  readonly #options: ForwarderOptions;
  readonly #maxQueued: number;
  readonly #pauseMs: number;
  readonly #closing = new AbortController();
  #queue: Span[] = [];
  #isRunning = false;
  #sent = 0;
  #dropped = 0;
  #problem: string | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.provider = options.provider;
    this.#maxQueued = options.maxQueued ?? 20_000;
    this.#pauseMs = options.pauseMs ?? 500;
  }

  /** Queues spans. */
  take(spans: readonly Span[]): void {
    if (this.#closing.signal.aborted) return;
    this.#queue.push(...spans);
    const excess = this.#queue.length - this.#maxQueued;
    if (excess > 0) {
      this.#queue.splice(0, excess);
      this.#dropped += excess;
    }
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let pauseMs = this.#pauseMs;
    while (this.#queue.length > 0 && (await this.#waited(pauseMs))) {
      const batch = this.#queue.splice(0, batchSize);
      const outcome = await this.#send(batch);
      pauseMs = outcome === "retry" ? Math.min(maxPauseMs, pauseMs * 2) : this.#pauseMs;
      if (outcome === "retry") this.#giveBack(batch);
    }
    this.#isRunning = false;
  }

  /** False once closed. */
  async #waited(ms: number): Promise<boolean> {
    // Many wait already: no need to gather more.
    const isHurried = this.#problem === undefined && this.#queue.length >= batchSize;
    await delay(isHurried ? 0 : ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
    return !this.#closing.signal.aborted;
  }

  async #send(batch: readonly Span[]): Promise<"sent" | "refused" | "retry"> {
    const { provider, connect, logger } = this.#options;
    const before = this.#problem;
    try {
      const answer = await sendSpans({ provider, connect, signal: this.#closing.signal }, batch);
      this.#problem = answer.problem;
      if (answer.outcome === "sent") this.#sent += batch.length;
      if (answer.outcome === "refused") this.#dropped += batch.length;
      if (answer.problem !== undefined && answer.problem !== before) this.#tell(logger, answer.problem);
      return answer.outcome;
    } catch (error) {
      this.#problem = MeshError.from(error).message;
      if (this.#problem !== before) this.#tell(logger, this.#problem);
      return "retry";
    }
  }

  #tell(logger: Logger, problem: string): void {
    logger.warn("spans can't be sent on", { provider: this.provider.name, problem });
  }

  #giveBack(batch: readonly Span[]): void {
    const room = Math.max(0, this.#maxQueued - this.#queue.length);
    const kept = room === 0 ? [] : batch.slice(-room);
    this.#dropped += batch.length - kept.length;
    this.#queue = [...kept, ...this.#queue];
  }

  view(): ForwardView {
    const { name, protocol, service, port } = this.provider;
    return {
      provider: name,
      protocol,
      destination: `${service}:${port}`,
      sentSpans: this.#sent,
      queuedSpans: this.#queue.length,
      droppedSpans: this.#dropped,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  close(): void {
    this.#closing.abort();
    this.#queue = [];
  }
}
