// watch=1: one JSON line per change. A client that does not read is cut off before it costs more than a bounded amount of memory.

import type { ServerResponse } from "node:http";
import type { Store, Stored, StoreEvent } from "../../store/store.ts";
import type { ListQuery, WatchLine } from "../contract.ts";
import { failure } from "./kube-status.ts";
import { type Selection, selectionOf } from "./selection.ts";
import { served, type Target } from "./target.ts";

export interface WatchRequest {
  readonly target: Target;
  readonly query: ListQuery;
  readonly signal: AbortSignal;
}

export interface WatchOptions {
  readonly store: Store;
  /** Bytes a client may leave unread beyond the initial list before it is cut off. */
  readonly maxUnreadBytes: number;
  /** Between two bookmarks; Kubernetes sends about one a minute. */
  readonly bookmarkMs: number;
}

/** Serves one watch until client, time-out or `signal` end it. */
export function serveWatch(response: ServerResponse, request: WatchRequest, options: WatchOptions): void {
  const watch = new Watch(response, request, options);
  watch.start();
}

class Watch {
  readonly #response: ServerResponse;
  readonly #target: Target;
  readonly #query: ListQuery;
  readonly #signal: AbortSignal;
  readonly #options: WatchOptions;
  readonly #selects: Selection;
  readonly #endings: (() => void)[] = [];
  #allowance = 0;

  constructor(response: ServerResponse, request: WatchRequest, options: WatchOptions) {
    this.#response = response;
    this.#target = request.target;
    this.#query = request.query;
    this.#signal = request.signal;
    this.#options = options;
    this.#selects = selectionOf(request.query);
  }

  start(): void {
    this.#response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache" });
    this.#response.flushHeaders();
    const before = this.#response.writableLength;
    this.#allowance = Number.POSITIVE_INFINITY; // the past is bounded by store and history; only what follows is metered
    const complete = this.#sendPast();
    this.#allowance = this.#options.maxUnreadBytes + this.#response.writableLength - before;
    if (!complete) {
      this.#response.end();
      return;
    }
    const stop = (): void => this.#stop();
    this.#endings.push(this.#options.store.subscribe((event) => this.#sendEvent(event)));
    this.#response.once("close", stop);
    this.#response.once("error", stop);
    this.#signal.addEventListener("abort", stop, { once: true });
    this.#endings.push(() => this.#signal.removeEventListener("abort", stop));
    this.#startTimers();
  }

  /** What happened before now; false when the asked revision is too old. */
  #sendPast(): boolean {
    const from = this.#query.resourceVersion ?? "";
    if (from === "" || from === "0") {
      for (const stored of this.#options.store.list(this.#target.kind)) if (this.#isMine(stored)) this.#send("ADDED", stored);
      return true;
    }
    const events = this.#options.store.eventsSince(Number(from));
    if (events === "gone") {
      const status = failure({ code: 410, reason: "Expired" }, `resourceVersion ${from} is no longer held; list again`);
      this.#write({ type: "ERROR", object: status });
      return false;
    }
    for (const event of events) this.#sendEvent(event);
    return true;
  }

  #sendEvent(event: StoreEvent): void {
    if (event.stored.kind !== this.#target.kind) return;
    const now = event.type !== "DELETED" && this.#isMine(event.stored);
    const before = event.previous !== undefined && this.#isMine(event.previous);
    if (now) this.#send(before ? "MODIFIED" : "ADDED", event.stored);
    else if (before) this.#send("DELETED", event.stored);
  }

  #isMine(stored: Stored): boolean {
    const { namespace, name } = this.#target;
    if (namespace !== undefined && stored.namespace !== namespace) return false;
    return (name === undefined || stored.name === name) && this.#selects(stored);
  }

  #send(type: WatchLine["type"], stored: Stored): void {
    this.#write({ type, object: served(stored.raw, this.#target) });
  }

  #write(line: WatchLine): void {
    if (this.#response.destroyed) return;
    this.#response.write(`${JSON.stringify(line)}\n`);
    if (this.#response.writableLength > this.#allowance) this.#response.destroy();
  }

  #startTimers(): void {
    const { timeoutSeconds, allowWatchBookmarks } = this.#query;
    if (allowWatchBookmarks) {
      const timer = setInterval(() => this.#sendBookmark(), this.#options.bookmarkMs).unref();
      this.#endings.push(() => clearInterval(timer));
    }
    if (timeoutSeconds !== undefined && timeoutSeconds > 0) {
      const timer = setTimeout(() => this.#stop(), timeoutSeconds * 1000).unref();
      this.#endings.push(() => clearTimeout(timer));
    }
  }

  #sendBookmark(): void {
    const metadata = { resourceVersion: String(this.#options.store.revision) };
    this.#write({ type: "BOOKMARK", object: { kind: this.#target.kind, apiVersion: this.#target.apiVersion, metadata } });
  }

  #stop(): void {
    for (const end of this.#endings.splice(0)) end();
    if (!this.#response.writableEnded && !this.#response.destroyed) this.#response.end();
  }
}
