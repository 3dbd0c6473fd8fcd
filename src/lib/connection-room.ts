// Room for some connections of an HTTP server that anybody near may open: when one more comes, the one that has been idle for longest goes, so that
// connections without requests keep nobody out. By itself node:http looks at its time limits every 30 s only, and only on servers that listen.

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface ConnectionRoomOptions {
  readonly max: number;
  /** How long a connection may be without a whole request, in ms. 5 s unless given, as Node's keepAliveTimeout. */
  readonly idleMs?: number;
  /** How long an answer is safe from newcomers, in ms. 10 s unless given: Prometheus' scrape_timeout. */
  readonly busyMs?: number;
}

interface Place {
  /** When it became what it is now, idle or busy. */
  sinceMs: number;
  /** Requests that aren't answered yet. */
  requests: number;
  timer: NodeJS.Timeout | undefined;
}

export class ConnectionRoom {
  readonly #max: number;
  readonly #idleMs: number;
  readonly #busyMs: number;
  readonly #places = new Map<Socket, Place>();

  constructor({ max, idleMs = 5000, busyMs = 10_000 }: ConnectionRoomOptions) {
    this.#max = max;
    this.#idleMs = idleMs;
    this.#busyMs = busyMs;
  }

  /** Takes a new connection; false when all others are being answered, and then it is closed. */
  admit(socket: Socket): boolean {
    if (this.#places.size >= this.#max && !this.#makeRoom()) {
      socket.destroy();
      return false;
    }
    const place: Place = { sinceMs: 0, requests: 0, timer: undefined };
    this.#places.set(socket, place);
    socket.once("close", () => this.#leave(socket));
    this.#rest(socket, place);
    return true;
  }

  /** A request has come: the connection is idle again once it is answered. */
  serve(socket: Socket, response: ServerResponse): void {
    const place = this.#places.get(socket);
    if (place === undefined) return;
    clearTimeout(place.timer);
    place.requests += 1;
    if (place.requests === 1) place.sinceMs = performance.now();
    response.once("close", () => {
      place.requests -= 1;
      if (place.requests === 0 && this.#places.has(socket)) this.#rest(socket, place);
    });
  }

  #rest(socket: Socket, place: Place): void {
    place.sinceMs = performance.now();
    place.timer = setTimeout(() => socket.destroy(), this.#idleMs);
    place.timer.unref();
  }

  #makeRoom(): boolean {
    const nowMs = performance.now();
    const places = [...this.#places].sort(([, a], [, b]) => a.sinceMs - b.sinceMs);
    const idle = places.find(([, { requests }]) => requests === 0);
    const [socket] = idle ?? places.find(([, { sinceMs }]) => nowMs - sinceMs >= this.#busyMs) ?? [];
    if (socket === undefined) return false;
    this.#leave(socket);
    socket.destroy();
    return true;
  }

  #leave(socket: Socket): void {
    clearTimeout(this.#places.get(socket)?.timer);
    this.#places.delete(socket);
  }
}
