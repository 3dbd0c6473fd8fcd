// One page of a pod from the node, over its Unix socket: only the node can reach what listens in a pod.

import { request } from "node:http";
import type { PodPage } from "../../http/metrics-contract.ts";
import { Unavailable } from "../../lib/errors.ts";

/** More than the node itself waits for an application. */
const timeoutMs = 15_000;
/** Of a page; the node cuts what applications say far below. */
const maxBytes = 64 * 1024 * 1024;

/** Asks. @throws Unavailable when the node is away, slow, or says too much. */
export function askNode(socketPath: string, path: string, accept: string | undefined): Promise<PodPage> {
  return new Promise((resolve, reject) => {
    const headers = { host: "node", ...(accept === undefined ? {} : { accept }) };
    const fail = (reason: string): void => reject(new Unavailable(`the node doesn't answer: ${reason}`, { fix: "See the node's log." }));
    const asked = request({ socketPath, path, headers, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxBytes) asked.destroy(new Error("the page is longer than 64 MiB"));
      });
      response.once("error", (error) => fail(error.message));
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 500,
          contentType: response.headers["content-type"] ?? "text/plain",
          text: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    asked.once("error", (error) => fail(error.message));
    asked.end();
  });
}
