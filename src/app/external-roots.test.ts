import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parsed } from "../../test/harness/world.ts";
import { openAuthority } from "../ca/authority.ts";
import { ExternalRoots, standInHosts } from "./external-roots.ts";

const folder = mkdtempSync(join(tmpdir(), "lateen-roots-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const rootPem = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" })
  .trustBundlePem()
  .trim();

function podIn(namespace: string, path: string) {
  const pod = parsed({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "api.example",
      namespace,
      annotations: { "lateen.dev/ca-file": path, "lateen.dev/external-hosts": "api.example" },
    },
    spec: { containers: [{ name: "host" }] },
  });
  if (pod.kind !== "Pod") throw new Error("no pod");
  return pod;
}

test("a stand-in's CA is trusted for its host once its file is there and whole, and no longer than the stand-in is", () => {
  const path = join(folder, "ca.pem");
  const roots = new ExternalRoots();
  const pods = [podIn("lateen-external", path)];
  expect(standInHosts(pods)).toEqual(["api.example"]);
  roots.follow(pods);
  expect([roots.refresh(), roots.pemOf("api.example")]).toEqual([false, undefined]);
  writeFileSync(path, rootPem.slice(0, 100));
  expect(roots.refresh()).toBe(false);
  writeFileSync(path, rootPem);
  expect([roots.refresh(), roots.pemOf("api.example")?.trim(), roots.pemOf("other.example")]).toEqual([true, rootPem, undefined]);
  expect(roots.refresh()).toBe(false);
  roots.follow([]);
  expect(roots.pemOf("api.example")).toBeUndefined();
});

test("a pod elsewhere makes nobody read a file", () => {
  const path = join(folder, "other.pem");
  writeFileSync(path, rootPem);
  const roots = new ExternalRoots();
  const pods = [podIn("shop", path)];
  roots.follow(pods);
  expect([roots.refresh(), roots.pemOf("api.example"), standInHosts(pods)]).toEqual([false, undefined, []]);
});
