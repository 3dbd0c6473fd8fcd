// OFREP over the API's socket: answers, errors, ETags, and that a new control plane says the same.

import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { releasedWorld, serviceYaml } from "../../../test/harness/release-world.ts";
import { parsed } from "../../../test/harness/world.ts";
import { createApiClient } from "../../http/client.ts";
import { flagCallerHeader } from "../../http/flags-contract.ts";
import type { MeshView } from "../../http/mesh-view.ts";
import { startApiServer } from "../../http/server.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import type { Mesh } from "../../model/mesh.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { createFlagsView } from "./flags-view.ts";
import { releaseRoutesOf } from "./release-routes.ts";

const notAskedFor = (): never => {
  throw new Error("not asked for here");
};
const view: MeshView = {
  ...{ status: notAskedFor, proxies: notAskedFor, diagnostics: notAskedFor, names: notAskedFor, waitAcknowledged: notAskedFor },
  ...{
    renewCertificates: notAskedFor,
    access: notAskedFor,
    authority: notAskedFor,
    rotateRoot: notAskedFor,
    abortRootRotation: notAskedFor,
  },
  ...{ edges: notAskedFor, describePod: notAskedFor },
};
const flag = (name: string, key: string, spec: object = {}) => ({
  apiVersion: "lateen.io/v1alpha1",
  kind: "FeatureFlag",
  metadata: { name, namespace: "shop" },
  spec: {
    service: "catalog",
    key,
    variants: { fresh: { value: "true", version: "v2" }, stale: { value: "false" } },
    sticky: { cookie: "who" },
    rules: [{ match: { sourceLabels: { app: "client" } }, variant: "fresh" }],
    default: "stale",
    ...spec,
  },
});

interface Started extends AsyncDisposable {
  readonly socketPath: string;
  mesh: Mesh | undefined;
}

async function started(): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "lateen-flags-"));
  const socketPath = join(folder, "api.sock");
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID(), historySize: 20 });
  for (const raw of [
    flag("share", "share", { rules: [{ percent: 50, variant: "fresh" }] }),
    flag("b", "cart"),
    flag("a", "cart", { rules: [] }),
  ])
    store.create(raw);
  const pod = parsed({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace: "shop", labels: { app: "client" } },
    spec: { containers: [{ name: "app", image: "a" }] },
  });
  store.create(JSON.parse(JSON.stringify(pod)));
  const result = {
    mesh: releasedWorld([serviceYaml("catalog", ["v1", "v2"])], releaseRoutesOf(store.snapshot())).mesh as Mesh | undefined,
  };
  const flags = createFlagsView({ store, mesh: () => result.mesh });
  const server = await startApiServer({ store, parser: apiParser, view, flags, log: silentLogger, socketPath, version: "0.0.0" });
  return Object.assign(result, {
    socketPath,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly tag: string | undefined;
}

function ask(
  socketPath: string,
  path: string,
  { body, headers = {}, method = "POST" }: { body?: string; headers?: object; method?: string } = {},
): Promise<Reply> {
  const type = body === undefined ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath, method, path: `/ofrep/v1/${path}`, headers: { [flagCallerHeader]: "shop/other", ...type, ...headers } },
      (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += String(chunk);
        });
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, body: text === "" ? undefined : JSON.parse(text), tag: response.headers.etag }),
        );
      },
    );
    asked.once("error", reject);
    asked.end(body);
  });
}

test("one flag: answers and OFREP's errors", async () => {
  await using api = await started();
  const one = (key: string, body?: string, headers: object = {}) =>
    ask(api.socketPath, `evaluate/flags/${key}`, { ...(body === undefined ? {} : { body }), headers });
  const user = JSON.stringify({ context: { targetingKey: "ann" } });
  expect(await one("share", user)).toMatchObject({
    status: 200,
    body: { key: "share", reason: "SPLIT", metadata: { flag: "shop/share" } },
  });
  // Of two with one key the first by name; whose labels count is who asks.
  expect((await one("cart")).body).toEqual({
    key: "cart",
    value: false,
    variant: "stale",
    reason: "STATIC",
    metadata: { flag: "shop/a", service: "catalog.shop.svc.cluster.local", header: "x-flag-cart" },
  });
  expect(await one("nothing", user)).toMatchObject({ status: 404, body: { key: "nothing", errorCode: "FLAG_NOT_FOUND" } });
  expect(await one("share", user, { [flagCallerHeader]: "elsewhere/pod" })).toMatchObject({ status: 404 });
  expect(await one("share", "{}")).toMatchObject({ status: 400, body: { key: "share", errorCode: "TARGETING_KEY_MISSING" } });
  expect(await one("share", '{"context": 5}')).toMatchObject({ status: 400, body: { key: "share", errorCode: "INVALID_CONTEXT" } });
  expect(await one("share", "{")).toMatchObject({ status: 400, body: { key: "share", errorCode: "PARSE_ERROR" } });
  expect(await one("share", "a=b", { "content-type": "text/plain" })).toMatchObject({ status: 400, body: { errorCode: "PARSE_ERROR" } });
  expect(await one("__proto__", user)).toMatchObject({ status: 404 });
});

test("all flags and the configuration, each with its ETag", async () => {
  await using api = await started();
  const body = JSON.stringify({ context: { targetingKey: "ann" } });
  const all = await ask(api.socketPath, "evaluate/flags", { body });
  expect(all).toMatchObject({ status: 200, body: { flags: [{ key: "cart" }, { key: "share" }] } });
  const again = (known: string | undefined) => ask(api.socketPath, "evaluate/flags", { body, headers: { "if-none-match": known ?? "" } });
  expect(await again(all.tag)).toMatchObject({ status: 304, body: undefined });
  expect((await again('"other"')).status).toBe(200);
  const missing = await ask(api.socketPath, "evaluate/flags", { body: "{}" });
  expect(missing.body).toMatchObject({ flags: [{ value: false }, { key: "share", errorCode: "TARGETING_KEY_MISSING" }] });
  expect(await ask(api.socketPath, "configuration", { method: "GET" })).toMatchObject({ status: 200, body: { name: "lateen" } });
  expect((await ask(api.socketPath, "evaluate/flags", { body: '{"context":[]}' })).body).toMatchObject({ errorCode: "INVALID_CONTEXT" });
});

test("another control plane says the same, and one without a mesh yet says that it can't", async () => {
  const context = { targetingKey: "ann" };
  const answers: unknown[] = [];
  for (let round = 0; round < 2; round += 1) {
    await using api = await started();
    const client = createApiClient({ socketPath: api.socketPath });
    answers.push(await client.flags.evaluateAll("shop", context));
    api.mesh = undefined;
    await expect(client.flags.evaluate("shop", "share", context)).rejects.toThrow(/isn't there yet/);
    expect(await ask(api.socketPath, "evaluate/flags/share", { body: "{}" })).toMatchObject({ status: 503 });
    client.close();
  }
  expect(answers[0]).toEqual(answers[1]);
});
