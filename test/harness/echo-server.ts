// A plain HTTP server for tests: answers with what it was asked, late or wrongly when the request says so.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface EchoedRequest {
  /** The name the server was started with. */
  readonly server: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EchoServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Starts it on a free loopback port. Request headers that steer it: `x-test-delay-ms` (answer after so long), `x-test-fail`
 * ("<status>x<times>": fails so often for the same `x-request-key`). The header `x-echo` of the answer is the EchoedRequest, as URI-encoded JSON.
 */
export async function startEchoServer(server: string, onRequest: (request: EchoedRequest) => void): Promise<EchoServer> {
  const failures = new Map<string, number>();
  const http = createServer((request, response) => {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const echoed = { server, method: request.method ?? "", path: request.url ?? "", headers };
    onRequest(echoed);
    const [status = "200", times = "0"] = (headers["x-test-fail"] ?? "").split("x").filter((part) => part !== "");
    const key = headers["x-request-key"] ?? "";
    const failed = failures.get(key) ?? 0;
    const fails = failed < Number(times);
    if (fails) failures.set(key, failed + 1);
    const answer = (): void => {
      response.writeHead(fails ? Number(status) : 200, {
        "content-type": "text/plain",
        "x-from": "upstream",
        "x-echo": encodeURIComponent(JSON.stringify(echoed)),
      });
      response.end(server);
    };
    setTimeout(answer, Number(headers["x-test-delay-ms"] ?? "0"));
  });
  http.listen(0, "127.0.0.1");
  await new Promise((resolve, reject) => http.once("listening", resolve).once("error", reject));
  const address: AddressInfo | string | null = http.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}
