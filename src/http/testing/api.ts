// The API's server on a socket, with a store of its own, and its client: for one test after another.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import type { RawResource } from "../../store/store.ts";
import { createApiClient } from "../client.ts";
import type { ApiClient } from "../client-types.ts";
import type { MeshView } from "../mesh-view.ts";
import { type ApiServer, startApiServer } from "../server.ts";

const notAskedFor = (): never => {
  throw new Error("not asked for here");
};

export const view: MeshView = {
  ...{ describePod: notAskedFor, edges: notAskedFor, access: notAskedFor, authority: notAskedFor, rotateRoot: notAskedFor },
  ...{ abortRootRotation: notAskedFor, renewCertificates: notAskedFor },
  status: () => ({
    mesh: "test",
    revision: 1,
    startedAt: "2030-01-01T00:00:00Z",
    pods: [],
    changes: [],
    proxies: { total: 0, connected: 0, synced: 0 },
    diagnostics: { errors: 0, warnings: 0 },
  }),
  proxies: () => ({ revision: 1, proxies: [] }),
  diagnostics: () => ({ revision: 1, diagnostics: [] }),
  names: () => Promise.reject(new Error("not asked for here")),
  waitAcknowledged: (revision) => Promise.resolve({ revision, acknowledged: true, total: 1, done: 1, waitingFor: [], rejected: [] }),
};

export let folder = "";
export let store: MemoryStore;
export let server: ApiServer;
export let client: ApiClient;

const newStore = (): MemoryStore =>
  new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID(), historySize: 20 });
export const socketPath = (): string => join(folder, "api.sock");
const start = (extra: { tcp?: { port: number; token: string }; maxUnreadBytes?: number; bookmarkMs?: number } = {}): Promise<ApiServer> =>
  startApiServer({ store, parser: apiParser, view, log: silentLogger, socketPath: socketPath(), version: "0.0.0", ...extra });

/** Starts store, server and client for each test of a file. */
export function useApi(): void {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "lateen-http-"));
    store = newStore();
    store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
    server = await start();
    client = createApiClient({ socketPath: socketPath() });
  });
  afterEach(async () => {
    client.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
}

/** The server again, after it was closed. */
export async function startAgain(extra: Parameters<typeof start>[0] = {}): Promise<void> {
  server = await start(extra);
}

export function configMap(name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): RawResource {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", labels }, data };
}

export const ref = (name: string) => ({ kind: "ConfigMap", namespace: "default", name }) as const;

export interface RawAnswer {
  readonly code: number;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** A request as any program could send it. */
export async function send(
  method: string,
  path: string,
  options: { body?: string; type?: string; port?: number; token?: string; accept?: string } = {},
): Promise<RawAnswer> {
  const place = options.port === undefined ? { socketPath: socketPath() } : { host: "127.0.0.1", port: options.port };
  const headers: Record<string, string> = options.body === undefined ? {} : { "content-type": options.type ?? "application/json" };
  if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
  if (options.accept !== undefined) headers["accept"] = options.accept;
  const outgoing = httpRequest({ ...place, method, path, headers, agent: false });
  outgoing.end(options.body);
  const [response] = await once(outgoing, "response");
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { code: response.statusCode, body, headers: response.headers };
}
