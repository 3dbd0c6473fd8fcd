import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../lib/log.ts";
import { apiParser } from "../store/api-parser.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { acceptedOf, type RawResource } from "../store/store.ts";
import { createApiClient } from "./client.ts";
import type { ApiClient, ClientWatchEvent } from "./client-types.ts";
import type { MeshView } from "./contract.ts";
import { type ApiServer, startApiServer } from "./server.ts";
import { RefusedResource } from "./transport.ts";

const notAskedFor = (): never => {
  throw new Error("not asked for here");
};

const view: MeshView = {
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

let folder = "";
let store: MemoryStore;
let server: ApiServer;
let client: ApiClient;

const newStore = (): MemoryStore =>
  new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID(), historySize: 20 });
const socketPath = (): string => join(folder, "api.sock");
const start = (extra: { tcp?: { port: number; token: string }; maxUnreadBytes?: number; bookmarkMs?: number } = {}): Promise<ApiServer> =>
  startApiServer({ store, parser: apiParser, view, log: silentLogger, socketPath: socketPath(), version: "0.0.0", ...extra });

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

function configMap(name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): RawResource {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", labels }, data };
}

const ref = (name: string) => ({ kind: "ConfigMap", namespace: "default", name }) as const;

interface RawAnswer {
  readonly code: number;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** A request as any program could send it. */
async function send(
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

describe("objects", () => {
  test("create, get, list, update, patch, status, delete", async () => {
    const created = await client.create(configMap("a", { k: "1" }, { app: "web" }));
    expect(created.object.metadata).toMatchObject({ name: "a", resourceVersion: "2", labels: { app: "web" } });
    await client.create(configMap("b"));
    expect((await client.get(ref("a")))["data"]).toEqual({ k: "1" });
    const all = await client.list("ConfigMap");
    expect([all.items.map((item) => item.metadata.name), all.resourceVersion]).toEqual([["a", "b"], "3"]);
    expect((await client.list("ConfigMap", { namespace: "default", labelSelector: "app in (web)" })).items.length).toBe(1);
    expect((await client.list("ConfigMap", { fieldSelector: "metadata.name!=a" })).items.map((item) => item.metadata.name)).toEqual(["b"]);
    const patched = await client.patch(ref("a"), { data: { k: null, other: "2" }, metadata: { labels: { app: null } } });
    expect(patched.object).toMatchObject({ data: { other: "2" }, metadata: { labels: {} } });
    const stale = { ...configMap("a"), metadata: { name: "a", namespace: "default", resourceVersion: "2" } };
    await expect(client.update(stale)).rejects.toMatchObject({ code: "conflict" });
    await client.update(configMap("a", { k: "3" }));
    await client.delete(ref("a"));
    await expect(client.get(ref("a"))).rejects.toMatchObject({ code: "not_found" });
    await expect(client.create(configMap("b"))).rejects.toMatchObject({ code: "already_exists" });
  });

  test("status has its own path", async () => {
    const pod: RawResource = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "default" },
      spec: { containers: [{ name: "app", image: "app" }], nodeName: "n1" },
    };
    await client.create(pod);
    const patched = await client.patchStatus({ kind: "Pod", name: "p" }, { status: { phase: "Running", podIP: "198.18.0.7" } });
    expect(patched.object["status"]).toEqual({ phase: "Running", podIP: "198.18.0.7" });
    expect((await client.list("Pod", { fieldSelector: "spec.nodeName=n1,status.phase=Running" })).items.length).toBe(1);
    await client.delete({ kind: "Pod", name: "p" }, { gracePeriodSeconds: 5 });
    expect((await client.get({ kind: "Pod", name: "p" })).metadata.deletionGracePeriodSeconds).toBe(5);
    await client.delete({ kind: "Pod", name: "p" }, { gracePeriodSeconds: 0 });
    await expect(client.get({ kind: "Pod", name: "p" })).rejects.toMatchObject({ code: "not_found" });
  });

  test("a batch answers each write in its place, and one that fails stops no other", async () => {
    const bad = { ...configMap("bad", {}), data: 5 };
    const [first, second, third] = await client.applyAll([configMap("b1", { k: "1" }), bad, configMap("b2", { k: "2" })]);
    expect(first).toMatchObject({ created: true, changed: true });
    expect(second).toBeInstanceOf(RefusedResource);
    expect(third).toMatchObject({ created: true, object: { data: { k: "2" } } });
    const names = ["b1", "none", "b2"];
    const outcomes = await client.deleteAll(names.map((name) => ({ kind: "ConfigMap", name })));
    expect(outcomes.map((outcome) => outcome?.code)).toEqual([undefined, "not_found", undefined]);
  });

  test("apply creates, replaces, and says when nothing changed", async () => {
    expect(await client.apply(configMap("a", { k: "1" }))).toMatchObject({ created: true, changed: true });
    expect(await client.apply(configMap("a", { k: "1" }))).toMatchObject({ created: false, changed: false });
    await client.patch(ref("a"), { metadata: { annotations: { mine: "stays" } } });
    const replaced = await client.apply(configMap("a", { other: "2" }));
    expect(replaced).toMatchObject({ created: false, changed: true });
    expect(replaced.object).toMatchObject({ data: { other: "2" }, metadata: { annotations: { mine: "stays" } } });
  });

  test("an old API version is served as it was asked for", async () => {
    const rule = {
      apiVersion: "networking.istio.io/v1beta1",
      kind: "DestinationRule",
      metadata: { name: "a", namespace: "default" },
      spec: { host: "a" },
    };
    expect((await client.create(rule)).object.apiVersion).toBe("networking.istio.io/v1beta1");
    expect((await client.get({ kind: "DestinationRule", name: "a" })).apiVersion).toBe("networking.istio.io/v1");
  });

  test("stringData of a Secret ends up in data", async () => {
    const secret: RawResource = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", namespace: "default" },
      stringData: { key: "value" },
    };
    expect((await client.create(secret)).object["data"]).toEqual({ key: "dmFsdWU=" });
  });

  test("dry runs check and write nothing", async () => {
    const before = store.revision;
    const answer = await send("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", { body: JSON.stringify(configMap("a")) });
    expect([answer.code, store.revision]).toEqual([201, before]);
  });
});

describe("errors", () => {
  test("an invalid object is refused with every cause, path and fix", async () => {
    const broken = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "default" },
      spec: { containers: [{ name: 7 }], nothing: 1 },
    };
    const answer = await send("POST", "/api/v1/namespaces/default/pods", { body: JSON.stringify(broken) });
    const body = JSON.parse(answer.body);
    expect(answer.code).toBe(422);
    expect(body).toMatchObject({ kind: "Status", status: "Failure", reason: "Invalid", details: { kind: "Pod", name: "p" } });
    expect(body.details.causes.length).toBeGreaterThan(1);
    expect(body.details.diagnostics[0]).toMatchObject({ code: expect.any(String), fix: expect.any(String) });
    await expect(client.create(broken)).rejects.toMatchObject({
      code: "invalid",
      diagnostics: expect.arrayContaining([expect.anything()]),
    });
  });

  test.each([
    ["POST", "/api/v1/namespaces/default/configmaps", '{"kind":"Pod"}', 400],
    ["POST", "/api/v1/namespaces/default/configmaps", '{"metadata":{"name":"a","namespace":"other"}}', 400],
    ["POST", "/api/v1/namespaces/nowhere/configmaps", '{"metadata":{"name":"a"}}', 404],
    ["POST", "/api/v1/namespaces/default/configmaps", "{", 400],
    ["POST", "/api/v1/namespaces/default/configmaps", '{"metadata":{"name":"a"},"__proto__":{"polluted":1}}', 400],
    ["POST", "/api/v1/namespaces/default/configmaps", '{"metadata":{"name":"a","labels":{"constructor":{"prototype":{"x":1}}}}}', 400],
    ["POST", "/api/v1/namespaces/default/configmaps", `${"[".repeat(100_000)}`, 400],
    ["PUT", "/api/v1/namespaces/default/configmaps/none", '{"metadata":{"name":"none"}}', 404],
    ["PATCH", "/api/v1/namespaces/default/configmaps/none", "{}", 415],
    ["GET", "/api/v1/nothing", undefined, 404],
    ["GET", "/api/v1/namespaces/default/configmaps/%2e%2e%2fx", undefined, 404],
    ["GET", "/api/v1/configmaps?fieldSelector=data.x=1", undefined, 400],
    ["GET", "/api/v1/configmaps?labelSelector=a%20b", undefined, 400],
    ["GET", "/elsewhere", undefined, 404],
  ])("%s %s is answered with a Status", async (method, path, body, code) => {
    const answer = await send(method, path, body === undefined ? {} : { body });
    expect([answer.code, JSON.parse(answer.body)]).toEqual([code, expect.objectContaining({ kind: "Status", code })]);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  test("a body that is too large is refused before it is read", async () => {
    const headers = { "content-type": "application/json", "content-length": "4000000" };
    const path = "/api/v1/namespaces/default/configmaps";
    const outgoing = httpRequest({ socketPath: socketPath(), method: "POST", path, headers, agent: false });
    outgoing.flushHeaders();
    const [response] = await once(outgoing, "response");
    expect(response.statusCode).toBe(413);
    outgoing.on("error", () => {}).destroy();
  });

  test("a missing server is Unavailable, with what to do", async () => {
    const nobody = createApiClient({ socketPath: join(folder, "none.sock") });
    await expect(nobody.status()).rejects.toMatchObject({ code: "unavailable", fix: expect.stringContaining("lateen up") });
  });

  test("a control plane that is being started again is waited for, and then told as such", async () => {
    const patient = createApiClient({ socketPath: socketPath(), restartMs: 60_000 });
    await patient.list("Namespace", {});
    await server.close();
    const writer = createApiClient({ socketPath: socketPath(), restartMs: 60_000 });
    const answers = [patient.list("Namespace", {}), writer.create(configMap("late", {}))];
    server = await start();
    await Promise.all(answers);
    expect((await patient.list("ConfigMap", {})).items.map(({ metadata }) => metadata.name)).toEqual(["late"]);
    patient.close();
    writer.close();
    const hasty = createApiClient({ socketPath: join(folder, "none.sock"), restartMs: 1 });
    await expect(hasty.status()).rejects.toMatchObject({ code: "unavailable", fix: expect.stringContaining("being started again") });
  });
});

describe("watch", () => {
  /** Collects events in the background. */
  function collect(request: Parameters<ApiClient["watch"]>[1] = {}): { events: ClientWatchEvent[]; seen: () => string[] } {
    const events: ClientWatchEvent[] = [];
    void (async () => {
      for await (const event of client.watch("ConfigMap", request)) events.push(event);
    })();
    const seen = () => events.map((event) => ("object" in event ? `${event.type} ${event.object.metadata.name}` : event.type));
    return { events, seen };
  }

  test("tells the state, then each change, and respects selectors in both directions", async () => {
    store.create(configMap("before", {}, { app: "web" }));
    const { events, seen } = collect({ labelSelector: "app=web" });
    await expect.poll(() => seen()).toEqual(["sync"]);
    expect(events[0]).toMatchObject({ items: [{ metadata: { name: "before" } }] });
    store.create(configMap("other"));
    store.create(configMap("a", {}, { app: "web" }));
    store.update(configMap("a", { k: "1" }, { app: "web" }));
    store.update(configMap("a", { k: "1" }));
    store.update(configMap("other", {}, { app: "web" }));
    store.delete(ref("other"));
    await expect.poll(() => seen().slice(1)).toEqual(["added a", "modified a", "deleted a", "added other", "deleted other"]);
  });

  test("resumes after a restart without a relist, and relists when the history is too short", async () => {
    const { seen } = collect();
    await expect.poll(() => seen()).toEqual(["sync"]);
    store.create(configMap("a"));
    await expect.poll(() => seen()).toEqual(["sync", "added a"]);
    await server.close();
    store.create(configMap("while-away"));
    server = await start();
    await expect.poll(() => seen().filter((event) => event !== "down")).toEqual(["sync", "added a", "added while-away"]);
    await server.close();
    for (let index = 0; index < 60; index += 1) store.create(configMap(`many-${index}`));
    server = await start();
    await expect.poll(() => seen().at(-1)).toBe("sync");
  });

  test("a revision the server does not know is answered with 410 inside the stream; bookmarks tell where it is", async () => {
    const answer = await send("GET", "/api/v1/configmaps?watch=1&resourceVersion=999");
    expect(JSON.parse(answer.body)).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
    await server.close();
    server = await start({ bookmarkMs: 10 });
    const lines = (await send("GET", "/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=1")).body;
    expect(JSON.parse(lines.split("\n")[0] ?? "")).toMatchObject({ type: "BOOKMARK", object: { metadata: { resourceVersion: "1" } } });
  });

  test("a watcher that does not read is cut off", { timeout: 20_000 }, async () => {
    await server.close();
    server = await start({ maxUnreadBytes: 64 * 1024 });
    const socket = connect(socketPath());
    let closed = false;
    socket.once("close", () => {
      closed = true;
    });
    socket.pause();
    socket.write("GET /api/v1/configmaps?watch=1&resourceVersion=1 HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(socket, "connect");
    const big = "x".repeat(100_000);
    store.create(configMap("big"));
    // The kernel buffers some of it; what is beyond stays in the server, which must let go.
    for (let round = 0; round < 40; round += 1) {
      store.update(configMap("big", { big, round: String(round) }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.resume();
    await expect.poll(() => closed).toBe(true);
    socket.destroy();
  });
});

describe("around it", () => {
  test("discovery names our kinds, with short names", async () => {
    const core = JSON.parse((await send("GET", "/api/v1")).body);
    expect(core.resources).toContainEqual(expect.objectContaining({ name: "pods", kind: "Pod", namespaced: true }));
    const groups = JSON.parse((await send("GET", "/apis")).body).groups.map((group: { name: string }) => group.name);
    expect(groups).toEqual(expect.arrayContaining(["apps", "networking.istio.io"]));
    const istio = JSON.parse((await send("GET", "/apis/networking.istio.io/v1")).body);
    expect(istio.resources).toContainEqual(expect.objectContaining({ name: "virtualservices", shortNames: ["vs"] }));
    expect((await send("GET", "/apis/nothing.example/v1")).code).toBe(404);
    expect(JSON.parse((await send("GET", "/openapi/v3")).body).paths["api/v1"]).toBeDefined();
    expect(JSON.parse((await send("GET", "/version")).body).gitVersion).toContain("lateen");
  });

  test("kubectl get's table has the kind's columns", async () => {
    store.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      spec: { ports: [{ port: 80 }], clusterIP: "198.19.0.9" },
    });
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    for (const path of ["/api/v1/services", "/api/v1/namespaces/default/services/web"]) {
      const table = JSON.parse((await send("GET", path, { accept })).body);
      expect(table.columnDefinitions.map((column: { name: string }) => column.name)).toEqual(["Name", "Type", "Cluster-IP", "Age"]);
      expect(table.rows[0].cells).toEqual(["web", "ClusterIP", "198.19.0.9", expect.stringMatching(/^\d+s$/)]);
    }
  });

  test("Lateen's own routes", async () => {
    expect((await client.status()).mesh).toBe("test");
    expect((await client.proxies()).proxies).toEqual([]);
    expect((await client.diagnostics()).diagnostics).toEqual([]);
    expect(await client.waitAcknowledged(3, { timeoutMs: 50 })).toMatchObject({ revision: 3, acknowledged: true });
    expect((await send("GET", "/lateen/v1/acknowledged?revision=x")).code).toBe(400);
  });

  test("TCP needs the token", async () => {
    await server.close();
    server = await start({ tcp: { port: 0, token: "secret" } });
    const port = server.port ?? 0;
    expect((await send("GET", "/api/v1/pods", { port })).code).toBe(401);
    expect((await send("GET", "/api/v1/pods", { port, token: "wrong" })).code).toBe(401);
    expect((await send("GET", "/api/v1/pods", { port, token: "secret" })).code).toBe(200);
    const overTcp = createApiClient({ host: "127.0.0.1", port, token: "secret" });
    expect((await overTcp.list("Pod")).items).toEqual([]);
    overTcp.close();
  });

  test("a socket left by a killed process is replaced; another file is not", async () => {
    await server.close();
    const other = join(folder, "file");
    writeFileSync(other, "precious");
    await expect(
      startApiServer({ store, parser: apiParser, view, log: silentLogger, socketPath: other, version: "0" }),
    ).rejects.toMatchObject({
      code: "unavailable",
    });
    server = await start();
    expect(acceptedOf(store.create(configMap("z"))).name).toBe("z");
  });
});
