// Two proxies tell of one request: what its client's saw and what its server's saw become one event. Pure; the caller gives the time.

import type { TapEvent, TapHalf } from "../../../http/tap-contract.ts";

/** An event as one proxy tells it. */
export interface HalfEvent {
  readonly event: TapEvent;
  /** Equal for both halves of one try; undefined where the other end has no proxy that tells. */
  readonly pair: string | undefined;
  /** Equal for all tries of one request. */
  readonly request?: string | undefined;
}

interface Waiting {
  readonly event: TapEvent;
  readonly request: string | undefined;
  readonly sinceMs: number;
}

/** How long one half waits: proxies send once a second, each at a time of its own. */
const waitMs = 1500;
/** Halves that wait; beyond, the oldest go alone. */
const maxWaiting = 5000;

export class TapJoiner {
  /** By side and pair; several, where an application calls twice in one request. */
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;
  /** Requests that were tried again, and how often; since when it is known. */
  readonly #retried = new Map<string, { readonly tries: number; readonly sinceMs: number }>();

  /** Takes a half; the event if it waits for nothing any more. */
  push({ event, pair, request }: HalfEvent, nowMs: number): readonly TapEvent[] {
    const tries = event.client?.attempts ?? 0;
    if (tries > 1 && request !== undefined && this.#retried.size < maxWaiting) this.#retried.set(request, { tries, sinceMs: nowMs });
    if (pair === undefined) return [event];
    const side = event.client === undefined ? "server" : "client";
    const other = this.#take(`${side === "client" ? "server" : "client"} ${pair}`);
    if (other !== undefined) return [side === "client" ? joined(event, other) : joined(other, event)];
    const key = `${side} ${pair}`;
    const list = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, list);
    list.push({ event, request, sinceMs: nowMs });
    this.#count += 1;
    return this.#count > maxWaiting ? this.#oldest() : [];
  }

  /** Those that have waited long enough. */
  expire(nowMs: number): readonly TapEvent[] {
    const ready: TapEvent[] = [];
    for (const [key, list] of this.#waiting) {
      const kept = list.filter(({ sinceMs }) => nowMs - sinceMs < waitMs);
      if (kept.length === list.length) continue;
      ready.push(...list.slice(0, list.length - kept.length).map((waiting) => this.#alone(waiting)));
      this.#count -= list.length - kept.length;
      if (kept.length === 0) this.#waiting.delete(key);
      else this.#waiting.set(key, kept);
    }
    for (const [request, { sinceMs }] of this.#retried) if (nowMs - sinceMs >= 2 * waitMs) this.#retried.delete(request);
    return ready;
  }

  /** A server's half of which no client's proxy tells; that of an earlier try says so. */
  #alone({ event, request }: Waiting): TapEvent {
    const tries = this.#retried.get(request ?? "")?.tries ?? 0;
    return event.server !== undefined && event.server.attempts < tries ? { ...event, earlierTry: true } : event;
  }

  #take(key: string): TapEvent | undefined {
    const list = this.#waiting.get(key);
    const first = list?.shift();
    if (first === undefined) return undefined;
    this.#count -= 1;
    if (list?.length === 0) this.#waiting.delete(key);
    return first.event;
  }

  #oldest(): readonly TapEvent[] {
    const [key] = this.#waiting.keys();
    const event = key === undefined ? undefined : this.#take(key);
    return event === undefined ? [] : [event];
  }
}

/** The client's word counts for the whole: only it knows of time-outs and tries; who is at the ends each proxy knows of itself. */
function joined(client: TapEvent, server: TapEvent): TapEvent {
  const serverHalf: TapHalf | undefined = server.server;
  return {
    ...client,
    source: { ...client.source, ...(server.source.identity === undefined ? {} : { identity: server.source.identity }) },
    ...(serverHalf === undefined ? {} : { server: serverHalf }),
    mirrored: client.mirrored || server.mirrored,
    failed: client.failed || server.failed,
  };
}
