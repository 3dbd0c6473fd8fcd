// GET /lateen/v1/tap: one JSON line per event until the reader leaves. A reader that doesn't read loses lines first, and then the connection: what it
// watches costs proxies something.

import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { MeshError } from "../../lib/errors.ts";
import type { AppOptions } from "../options.ts";
import { parsed } from "../request.ts";
import { type TapLine, type TapSource, tapQuerySchema } from "../tap-contract.ts";

/** Unread bytes beyond which lines are left out. */
const maxUnreadBytes = 256 * 1024;
/** A line now and then shows whether anybody still reads. */
const aliveMs = 5000;
/** Who has taken nothing for so long is gone. */
const goneMs = 30_000;

export function addTapRoute(app: FastifyInstance, { taps, signal }: Pick<AppOptions, "taps" | "signal">): void {
  app.get("/lateen/v1/tap", (request, reply) => {
    if (taps === undefined) throw new MeshError("not_found", "nothing is served here");
    const query = parsed(tapQuerySchema, request.query);
    serveTap(reply.raw, signal, (send) => taps.watch(query, send));
    reply.hijack();
  });
}

/** @throws what `watch` throws, before anything is answered. */
function serveTap(response: ServerResponse, signal: AbortSignal, watch: (send: Parameters<TapSource["watch"]>[1]) => () => void): void {
  let takenMs = performance.now();
  const write = (line: TapLine): boolean => {
    if (response.destroyed || !response.headersSent || response.writableLength > maxUnreadBytes) return false;
    response.write(`${JSON.stringify(line)}\n`);
    return true;
  };
  const leave = watch(write);
  response.writeHead(200, { "content-type": "application/jsonl", "cache-control": "no-cache" });
  response.flushHeaders();
  const timer = setInterval(() => {
    if (response.writableLength === 0) takenMs = performance.now();
    if (performance.now() - takenMs > goneMs) response.destroy();
    else write({ type: "alive" });
  }, aliveMs).unref();
  const stop = (): void => {
    clearInterval(timer);
    leave();
    signal.removeEventListener("abort", stop);
    if (!response.writableEnded && !response.destroyed) response.end();
  };
  response.once("close", stop);
  response.once("error", stop);
  signal.addEventListener("abort", stop, { once: true });
}
