// What the engine tells when it can't make a proxy's configuration; the rest of it is tried by whole meshes (test/e2e).

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startMeshEngine } from "../../test/harness/mesh-engine.ts";
import { systemClock } from "../lib/clock.ts";
import { MeshError } from "../lib/errors.ts";
import { apiParser } from "../store/api-parser.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import { acceptedOf } from "../store/store.ts";
import { AdsServer } from "../xds/ads-server.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "shop" },
  spec: { containers: [{ name: "app", image: "app" }] },
};

test("a proxy whose configuration can't be made is among the findings until it can", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lateen-engine-"));
  const store = openSqliteStore({ path: join(folder, "store.db"), clock: systemClock, parser: apiParser, newUid: () => "uid" });
  const ads = new AdsServer({ generate: () => undefined });
  const { engine, authority } = startMeshEngine({ store, ads, folder });
  onTestFinished(async () => {
    engine.close();
    await ads.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const made = acceptedOf(store.create(pod));
  store.updateStatus({ ...made.raw, status: { phase: "Running", podIP: "198.18.0.2" } });
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
