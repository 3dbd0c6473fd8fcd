// Lateen's own routes of identity and policy: what the client asks arrives at the view, and what the view says arrives at the client.

import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { NotFound } from "../lib/errors.ts";
import { silentLogger } from "../lib/log.ts";
import { apiParser } from "../store/api-parser.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { createApiClient } from "./client.ts";
import type { ApiClient } from "./client-types.ts";
import type { MeshView } from "./mesh-view.ts";
import type { AuthorityView } from "./security-contract.ts";
import { type ApiServer, startApiServer } from "./server.ts";

const authority = (phase: "steady" | "distributing"): AuthorityView => ({
  trustDomain: "cluster.local",
  source: "own",
  roots: [],
  issuer: { notBefore: "2030-01-01T00:00:00.000Z", notAfter: "2031-01-01T00:00:00.000Z" },
  isRootDue: false,
  rotation: { phase, step: 1, waitingFor: [] },
});

const notAskedFor = (): never => {
  throw new Error("not asked for here");
};

const view: MeshView = {
  ...{ status: notAskedFor, proxies: notAskedFor, diagnostics: notAskedFor, names: notAskedFor, waitAcknowledged: notAskedFor },
  renewCertificates: () => ({ certificates: 3 }),
  access: (question) => ({ problem: JSON.stringify(question), fix: "" }),
  authority: () => authority("steady"),
  rotateRoot: () => authority("distributing"),
  abortRootRotation: () => authority("steady"),
  edges: ({ windowMs }) => ({
    version: 1,
    windowMs,
    asOf: "2026-01-01T00:00:00.000Z",
    ageMs: 5,
    nodes: [],
    edges: [],
    unknownHosts: [],
    serviceEntries: [],
    silent: [],
  }),
  describePod: (namespace, name) => {
    throw new NotFound(`${namespace} ${name}`);
  },
};

let folder = "";
let server: ApiServer;
let client: ApiClient;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "lateen-http-"));
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID(), historySize: 20 });
  const socketPath = join(folder, "api.sock");
  server = await startApiServer({ store, parser: apiParser, view, log: silentLogger, socketPath, version: "0.0.0" });
  client = createApiClient({ socketPath });
});

afterAll(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The code that a GET is answered with. */
function statusOf(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(folder, "api.sock"), path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.once("error", reject);
    asked.end();
  });
}

test("the authority is read, rotated and called off by routes of its own", async () => {
  expect(await client.authority()).toEqual(authority("steady"));
  expect(await client.renewCertificates()).toEqual({ certificates: 3 });
  expect((await client.rotateRoot()).rotation?.phase).toBe("distributing");
  expect((await client.abortRootRotation()).rotation?.phase).toBe("steady");
  expect(await statusOf("/lateen/v1/authority/rotate-root")).toBe(404);
});

test("a question who may call whom arrives as it was asked", async () => {
  const question = { from: "a/b", to: "c&d", namespace: "shop", path: "/x?y=ü", headers: [["k", "v=1"]] as const, claims: { iss: "i" } };
  const answer = await client.access(question);
  expect(JSON.parse("problem" in answer ? answer.problem : "")).toEqual(question);
  expect(await statusOf("/lateen/v1/access?from=a&to=b&claims=7")).toBe(400);
  expect(await statusOf("/lateen/v1/access?from=a&to=b&headers=x")).toBe(400);
  expect(await statusOf("/lateen/v1/access?from=a")).toBe(400);
});

test("a pod is described by namespace and name, however they are written", async () => {
  await expect(client.describePod("shop", "a/b c")).rejects.toThrow("shop a/b c");
});

test("edges are asked for with a window of whole seconds, of six hours at most", async () => {
  expect(await client.edges({ windowMs: 20_000, namespace: "shop" })).toMatchObject({ version: 1, windowMs: 20_000, edges: [] });
  expect(await client.edges()).toMatchObject({ windowMs: 10_000 });
  for (const windowMs of [999, 21_600_001]) expect(await statusOf(`/lateen/v1/edges?windowMs=${windowMs}`)).toBe(400);
});
