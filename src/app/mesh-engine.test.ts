// What the engine tells when it can't make a proxy's configuration, and what its first mesh knows; the rest of it is tried by whole meshes (test/e2e).

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { startMeshEngine } from "../../test/harness/mesh-engine.ts";
import { decodeJson } from "../envoy/codec.ts";
import { routerExtensionName } from "../envoy/names.ts";
import { systemClock } from "../lib/clock.ts";
import { MeshError } from "../lib/errors.ts";
import { apiParser } from "../store/api-parser.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import { acceptedOf, type Store } from "../store/store.ts";
import { AdsServer } from "../xds/ads-server.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "shop" },
  spec: { containers: [{ name: "app", image: "app" }] },
};

/** A store, and an engine that begins with what is in it by then. */
function openStore() {
  const folder = mkdtempSync(join(tmpdir(), "lateen-engine-"));
  const store = openSqliteStore({ path: join(folder, "store.db"), clock: systemClock, parser: apiParser, newUid: () => "uid" });
  const ads = new AdsServer({ generate: () => undefined });
  const ends: (() => void)[] = [];
  onTestFinished(async () => {
    for (const end of ends) end();
    await ads.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const start = () => {
    const started = startMeshEngine({ store, ads, folder });
    ends.push(() => started.engine.close());
    return started;
  };
  return { store, start };
}

function runPod(store: Store): void {
  const made = acceptedOf(store.create(pod));
  store.updateStatus({ ...made.raw, status: { phase: "Running", podIP: "198.18.0.2" } });
}

test("a proxy whose configuration can't be made is among the findings until it can", async () => {
  const { store, start } = openStore();
  const { engine, authority } = start();
  runPod(store);
  await expect.poll(() => engine.mesh?.proxies.get("web.shop")?.address).toBe("198.18.0.2");

  const issue = authority.issue.bind(authority);
  authority.issue = () => {
    throw new MeshError("unavailable", "no certificate can be issued");
  };
  expect(engine.desiredOf("web.shop")).toBeUndefined();
  const messages = () => engine.findings().map(({ code, message }) => `${code} ${message}`);
  expect(messages()).toEqual([expect.stringMatching(/^LTN0903 proxy web\.shop: .*no certificate can be issued/)]);
  authority.issue = issue;
  expect(engine.desiredOf("web.shop")).toBeDefined();
  expect(messages()).toEqual([]);
});

const service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "orders", namespace: "shop" },
  spec: { ports: [{ port: 80, name: "http" }] },
};
const release = {
  apiVersion: "lateen.io/v1alpha1",
  kind: "Release",
  metadata: { name: "orders", namespace: "shop" },
  spec: { service: "orders", strategy: "rolling" },
};

test("a control plane that starts again tells proxies that count tries nothing else first", () => {
  const { store, start } = openStore();
  for (const object of [service, release]) acceptedOf(store.create(object));
  runPod(store);
  const router = start().engine.desiredOf("web.shop")?.config.extensions.get(routerExtensionName);
  expect(JSON.stringify(router && decodeJson(TypedExtensionConfigSchema, router.bytes))).toContain("lateen_tries_total");
});
