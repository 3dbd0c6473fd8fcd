import { expect, test } from "vitest";
import { stringify } from "yaml";
import { parseManifests } from "../../api/parse.ts";
import { snapshotOf } from "../../api/snapshot-of.ts";
import { obstaclesOf } from "./obstacles.ts";

const made = (apiVersion: string, kind: string, { name, ...more }: { name: string; labels?: object; uid?: string }, spec: object): string =>
  stringify({ apiVersion, kind, metadata: { name, namespace: "shop", ...more }, spec });
const service = (selector: object | undefined = { app: "catalog" }): string =>
  made("v1", "Service", { name: "catalog" }, { ports: [{ port: 80 }], ...(selector === undefined ? {} : { selector }) });
const pod = (name: string, labels: object): string =>
  made("v1", "Pod", { name, uid: name, labels: { app: "catalog", ...labels } }, { containers: [{ name: "app", image: "a" }] });
const release = (spec: object = {}, name = "catalog"): string =>
  made("lateen.io/v1alpha1", "Release", { name }, { service: "catalog", ...spec });

function told(...texts: readonly string[]): readonly string[] {
  const { resources } = parseManifests(texts.join("---\n"), { file: "test.yaml" });
  const snapshot = snapshotOf(resources.map(({ value }) => value));
  const found = snapshot.get("Release", "shop", "catalog");
  return found === undefined ? ["no release"] : obstaclesOf(found, snapshot);
}

test("nothing is said where everything is there", () => {
  expect(told(service(), pod("one", { version: "v1" }), release())).toEqual([]);
  expect(told(service(), release())).toEqual([]);
});

test("a Service that isn't there, or that another Release has", () => {
  expect(told(release())).toEqual(['namespace shop has no Service "catalog", so there is nothing to release']);
  expect(told(service(), release(), release({}, "a"))).toEqual([
    "Service catalog is the older release a's, so this one decides nothing until that is gone",
  ]);
  expect(told(service({}), release())).toEqual(["Service catalog has no selector, so no pod is of any version"]);
});

test("pods without the version label", () => {
  const pods = [pod("one", { version: "v1" }), pod("two", {}), pod("three", {})];
  expect(told(service(), ...pods, release())).toEqual(["three, two lack the label version, which names versions, so they get no requests"]);
  expect(told(service(), ...pods, release({ versions: { label: "release" } }))).toEqual([
    "no pod of Service catalog has the label release, which names versions",
  ]);
  // A template is a version there, by its hash.
  expect(told(service(), ...pods, release({ strategy: "rolling" }))).toEqual([]);
});
