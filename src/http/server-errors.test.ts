// What the API refuses and how it says so, and what its client says when nobody answers.

import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createApiClient } from "./client.ts";
import { client, configMap, folder, send, server, socketPath, startAgain, useApi } from "./testing/api.ts";

useApi();

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

  test("one that takes a request and says nothing is told before it is given up", async () => {
    const path = join(folder, "silent.sock");
    const silent = createServer((socket) => silentSockets.push(socket)).listen(path);
    const silentSockets: Socket[] = [];
    await once(silent, "listening");
    const told: string[] = [];
    const silence = { afterMs: 20, tell: () => void told.push("silent") };
    const patient = createApiClient({ socketPath: path, restartMs: 60_000, idleMs: 1000, silence });
    const answer = patient.status();
    answer.catch(() => {});
    await expect.poll(() => told, { timeout: 10_000 }).toHaveLength(1);
    await expect(answer).rejects.toMatchObject({ code: "unavailable", fix: expect.stringContaining("stopped or too busy") });
    const watching = new AbortController();
    const tap = patient.tap({}, { signal: watching.signal }).next();
    tap.catch(() => {});
    await expect.poll(() => told, { timeout: 10_000 }).toHaveLength(2);
    watching.abort();
    for (const socket of silentSockets) socket.destroy();
    silent.close();
    patient.close();
  });

  test("a control plane that is being started again is waited for, and then told as such", async () => {
    const patient = createApiClient({ socketPath: socketPath(), restartMs: 60_000 });
    await patient.list("Namespace", {});
    await server.close();
    const writer = createApiClient({ socketPath: socketPath(), restartMs: 60_000 });
    const answers = [patient.list("Namespace", {}), writer.create(configMap("late", {}))];
    await startAgain();
    await Promise.all(answers);
    expect((await patient.list("ConfigMap", {})).items.map(({ metadata }) => metadata.name)).toEqual(["late"]);
    patient.close();
    writer.close();
    const hasty = createApiClient({ socketPath: join(folder, "none.sock"), restartMs: 1 });
    await expect(hasty.status()).rejects.toMatchObject({ code: "unavailable", fix: expect.stringContaining("being started again") });
  });
});
