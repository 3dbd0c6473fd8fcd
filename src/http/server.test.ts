// The API as clients use it: objects, and what is around them.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { silentLogger } from "../lib/log.ts";
import { apiParser } from "../store/api-parser.ts";
import { acceptedOf, type RawResource } from "../store/store.ts";
import { createApiClient } from "./client.ts";
import { startApiServer } from "./server.ts";
import { client, configMap, folder, ref, send, server, startAgain, store, useApi, view } from "./testing/api.ts";
import { RefusedResource } from "./transport.ts";

useApi();

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
    await startAgain({ tcp: { port: 0, token: "secret" } });
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
    await startAgain();
    expect(acceptedOf(store.create(configMap("z"))).name).toBe("z");
  });
});
