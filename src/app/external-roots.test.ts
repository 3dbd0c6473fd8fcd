import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parsed } from "../../test/harness/world.ts";
import { openAuthority } from "../ca/authority.ts";
import { systemRootsPem } from "../ca/system-roots.ts";
import { ExternalRoots } from "./external-roots.ts";

const folder = mkdtempSync(join(tmpdir(), "lateen-roots-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const rootPem = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" })
  .trustBundlePem()
  .trim();

function podIn(namespace: string, path: string) {
  const pod = parsed({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "api.example", namespace, annotations: { "lateen.dev/ca-file": path } },
    spec: { containers: [{ name: "host" }] },
  });
  if (pod.kind !== "Pod") throw new Error("no pod");
  return pod;
}

test("a stand-in's CA is trusted once its file is there and whole, and no longer than the stand-in is", () => {
  const path = join(folder, "ca.pem");
  const roots = new ExternalRoots();
  const pods = [podIn("lateen-external", path)];
  roots.follow(pods);
  expect(roots.refresh()).toBe(false);
  writeFileSync(path, rootPem.slice(0, 100));
  expect(roots.refresh()).toBe(false);
  writeFileSync(path, rootPem);
  expect([roots.refresh(), roots.pem().includes(rootPem), roots.pem().startsWith(systemRootsPem())]).toEqual([true, true, true]);
  expect(roots.refresh()).toBe(false);
  roots.follow([]);
  expect(roots.pem()).toBe(systemRootsPem());
});

test("a pod elsewhere makes nobody read a file", () => {
  const path = join(folder, "other.pem");
  writeFileSync(path, rootPem);
  const roots = new ExternalRoots();
  roots.follow([podIn("shop", path)]);
  expect([roots.refresh(), roots.pem()]).toEqual([false, systemRootsPem()]);
});
