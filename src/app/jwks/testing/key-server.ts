// A server of key sets on loopback, which is allowed by its name; it ends with the tests of a file.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { listenOnLoopback } from "../../../../test/harness/loopback.ts";
import { testAuthority } from "../../../../test/harness/test-identities.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export const host = "keys.test.example";
export const loopback = [{ address: "127.0.0.1", family: 4 }];
/** By path; emptied before each test, like what follows. */
export const handlers = new Map<string, Handler>();
/** Paths that were asked for. */
export const requests: string[] = [];
/** Names that were looked up. */
export const resolved: string[] = [];
/** Where it listens, once the tests run. */
export let port = 0;

const authority = testAuthority();
const identity = authority.issue({ uri: "spiffe://test/ns/a/sa/b", dnsNames: [host] });
const server = createServer({ cert: identity.certificatePem, key: identity.keyPem }, (request, response) => {
  requests.push(request.url ?? "");
  const handler = handlers.get(request.url ?? "");
  if (handler === undefined) response.writeHead(404).end("secret body");
  else handler(request, response);
});

/** Starts it for the tests of the file. */
export function useKeyServer(): void {
  beforeAll(async () => {
    port = await listenOnLoopback(server);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    handlers.clear();
    requests.length = 0;
    resolved.length = 0;
  });
}

export const uriOf = (path: string): string => `https://${host}:${port}${path}`;

/** Finds and trusts it. */
export const fetching = {
  allowance: { hosts: [host], ranges: [] },
  roots: [authority.certificatePem],
  resolve: async (name: string) => {
    resolved.push(name);
    return loopback;
  },
};

export const answer =
  (text: string, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(200, headers).end(text);

export const redirect =
  (location: string, status = 302): Handler =>
  (_, response) =>
    void response.writeHead(status, { location }).end();
