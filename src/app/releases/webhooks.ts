// Webhooks of releases: each transition -> one JSON POST to each address that wants its reason, in order, tried again while the other side is away.
// Bounded: what doesn't fit or never arrives is dropped, and told by log and metric. A transition is sent once or, after a kill at that instant, never.

import type { Release } from "../../api/release/release.ts";
import type { Logger } from "../../lib/log.ts";
import type { Store } from "../../store/store.ts";
import { type CallOptions, type CallResult, callAddress } from "./call-address.ts";
import type { Tell } from "./carry-out.ts";

/** The body of a webhook. */
export interface WebhookBody {
  /** Of the transition: the same however often it is tried. */
  readonly id: string;
  /** RFC 3339. */
  readonly time: string;
  readonly namespace: string;
  readonly release: string;
  readonly service: string;
  /** Name of the ReleaseRun; absent before the first. */
  readonly run?: string;
  /** A word for programs, as that of the Event: "Promoted", "HarmFound" … */
  readonly reason: string;
  /** A sentence for people, with the numbers. */
  readonly message: string;
  readonly phase: string;
  readonly stable?: string;
  readonly candidate?: string;
  readonly weightPercent: number;
}

export interface WebhooksOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly allowance: CallOptions["allowance"];
  /** What became of one: for metrics. */
  readonly onResult: (result: "sent" | "failed" | "dropped") => void;
  /** Times between tries; 1 s doubled up to 32 s unless given. */
  readonly retryMs?: readonly number[];
}

const defaultRetryMs: readonly number[] = [1000, 2000, 4000, 8000, 16_000, 32_000];
/** An address gets so many behind; a run has some dozens of transitions. */
const mostWaiting = 100;
/** Addresses that are behind, of all Releases. */
const mostQueues = 200;
const timeoutMs = 10_000;
/** Of an answer, which nobody reads. */
const maxBytes = 1_000_000;

interface Queue {
  readonly waiting: { readonly body: WebhookBody; readonly text: string }[];
  dropped: number;
}

export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #closed = new AbortController();

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closed.abort();
    this.#queues.clear();
  }

  /** Queues a transition for whoever wants it. */
  readonly tell: Tell = (release, event) => {
    const wanting = release.spec.webhooks.filter(({ reasons }) => reasons.length === 0 || reasons.includes(event.reason));
    if (wanting.length === 0 || this.#closed.signal.aborted) return;
    const body = this.#bodyOf(release, event);
    for (const { url } of wanting) this.#queue(url, body);
  };

  #bodyOf({ metadata, spec, status: last }: Release, { id, reason, message }: Parameters<Tell>[1]): WebhookBody {
    const { store, nowMs } = this.#options;
    // The state that the transition led to was stored before it is told.
    const status = store.get("Release", metadata.namespace, metadata.name)?.value.status ?? last ?? {};
    const text = (field: string) => (typeof status[field] === "string" ? { [field]: status[field] } : {});
    return {
      id: `${metadata.uid ?? ""}/${id}`,
      time: new Date(nowMs()).toISOString(),
      namespace: metadata.namespace,
      release: metadata.name,
      service: spec.service,
      ...text("run"),
      reason,
      message,
      phase: typeof status["phase"] === "string" ? status["phase"] : "Idle",
      ...text("stable"),
      ...text("candidate"),
      weightPercent: typeof status["weightPercent"] === "number" ? status["weightPercent"] : 0,
    };
  }

  #queue(url: string, body: WebhookBody): void {
    const known = this.#queues.get(url);
    if (known === undefined && this.#queues.size >= mostQueues) {
      this.#drop(url, "too many addresses don't answer");
      return;
    }
    const queue: Queue = known ?? { waiting: [], dropped: 0 };
    if (queue.waiting.length >= mostWaiting) {
      // One line for all that a dead address misses.
      if (queue.dropped === 0) this.#drop(url, `${mostWaiting} wait already`);
      else this.#options.onResult("dropped");
      queue.dropped += 1;
      return;
    }
    queue.waiting.push({ body, text: JSON.stringify(body) });
    if (known !== undefined) return;
    this.#queues.set(url, queue);
    void this.#work(url, queue);
  }

  #drop(url: string, why: string): void {
    this.#options.onResult("dropped");
    this.#options.logger.warn("transitions of a release aren't sent to a webhook", { webhook: shown(url), problem: why });
  }

  async #work(url: string, queue: Queue): Promise<void> {
    for (let [next] = queue.waiting; next !== undefined; [next] = queue.waiting) {
      const problem = await this.#deliver(url, next.text);
      if (this.#closed.signal.aborted) return;
      queue.waiting.shift();
      const { reason, namespace, release } = next.body;
      this.#options.onResult(problem === undefined ? "sent" : "failed");
      if (problem === undefined) queue.dropped = 0;
      else this.#options.logger.warn("a webhook failed", { webhook: shown(url), release: `${namespace}/${release}`, reason, problem });
    }
    this.#queues.delete(url);
  }

  /** Why it didn't arrive after all tries; undefined when it did. */
  async #deliver(url: string, body: string): Promise<string | undefined> {
    const { allowance, retryMs = defaultRetryMs } = this.#options;
    const headers = { "content-type": "application/json" };
    for (let tries = 0; ; tries += 1) {
      const result = await callAddress({ method: "POST", url, headers, body }, { allowance, timeoutMs, maxBytes });
      const problem = problemOf(result);
      if (problem === undefined) return undefined;
      const wait = retryMs[tries];
      if (wait === undefined || !isTriedAgain(result)) return problem;
      await this.#sleep(wait);
      if (this.#closed.signal.aborted) return problem;
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#closed.signal.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}

function problemOf(result: CallResult): string | undefined {
  if ("problem" in result) return result.problem;
  return result.status >= 200 && result.status < 300 ? undefined : `it answered ${result.status}`;
}

/** A server in trouble may recover; a request that it refuses stays refused, and a redirect isn't followed. */
function isTriedAgain(result: CallResult): boolean {
  return "problem" in result || result.status >= 500 || result.status === 408 || result.status === 429;
}

/** Without path and query, which may hold a secret. */
function shown(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "?";
}
