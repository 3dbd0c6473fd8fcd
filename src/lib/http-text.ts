// A text in pieces → an HTTP answer, compressed when the client can read that, never faster than it reads.

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** Answers 200 with the pieces; ends quietly when the client goes away. */
export async function sendPieces(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  pieces: Iterable<string>,
  contentType: string,
): Promise<void> {
  const isCompressed = acceptsGzip(request.headers["accept-encoding"]);
  response.writeHead(200, {
    "content-type": contentType,
    vary: "accept, accept-encoding",
    ...(isCompressed ? { "content-encoding": "gzip" } : {}),
  });
  const source = Readable.from(pieces, { objectMode: false });
  try {
    if (isCompressed) await pipeline(source, createGzip({ level: 1 }), response);
    else await pipeline(source, response);
  } catch {
    response.destroy();
  }
}

/** Whether gzip is named with a quality above 0. */
export function acceptsGzip(header: string | readonly string[] | undefined): boolean {
  return String(header ?? "")
    .toLowerCase()
    .split(",")
    .some((part) => {
      const [coding, ...parameters] = part.split(";").map((text) => text.trim());
      const quality = parameters.find((parameter) => parameter.startsWith("q="));
      return coding === "gzip" && (quality === undefined || Number(quality.slice(2)) > 0);
    });
}

/** A short answer in plain text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}
