import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resourceName } from "../api/resource.ts";
import { printDiagnostic, readManifests } from "./manifests.ts";

const cwd = mkdtempSync(join(tmpdir(), "lateen-manifests-"));
const folder = join(cwd, "app");

const service = (name: string, more = "") => `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80}]${more}}
`;

beforeAll(() => {
  mkdirSync(join(folder, "below"), { recursive: true });
  mkdirSync(join(cwd, "empty"));
  const files = {
    "b.yaml": `${service("web")}---\n${service("db")}`,
    "a.yml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    "c.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}',
    "lateen.yaml": "images: {}\n",
    "package.json": "{}\n",
    "notes.txt": "none\n",
    "below/d.yaml": service("deep"),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  writeFileSync(join(cwd, "again.yaml"), service("web"));
  writeFileSync(join(cwd, "bad.yaml"), `${service("good")}---\n${service("bad", ", selectr: {a: b}")}`);
});

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const read = (...names: string[]) =>
  readManifests(
    names.map((name) => join(cwd, name)),
    { namespace: "shop", cwd },
  );

test("a folder's manifests, without what only lies there; what others name comes first", () => {
  const { resources, diagnostics } = read("app");
  expect(diagnostics).toEqual([]);
  expect(resources.map(({ value }) => resourceName(value))).toEqual([
    "Namespace shop",
    "ConfigMap shop/settings",
    "Service shop/web",
    "Service shop/db",
  ]);
});

test("a file named twice is read once; an object in two files counts once and is told", () => {
  expect(read("app/b.yaml", "app", "app/b.yaml").diagnostics).toEqual([]);
  const { resources, diagnostics } = read("app", "again.yaml");
  expect(resources.filter(({ value }) => value.metadata.name === "web").map(({ position }) => position?.file)).toEqual(["app/b.yaml"]);
  expect(diagnostics.map(printDiagnostic)).toEqual([
    "again.yaml:1:1: error LTN0011 Service shop/web: Service shop/web stands here a second time; the first one (app/b.yaml line 1) counts\n  fix: Remove or rename one of them.",
  ]);
});

test("a bad object is left out with its line, and the rest of its file is taken", () => {
  const { resources, diagnostics } = read("bad.yaml");
  expect(resources.map(({ value }) => value.metadata.name)).toEqual(["good"]);
  expect(diagnostics.map(printDiagnostic)).toEqual([
    expect.stringMatching(/^bad\.yaml:9:\d+: error LTN0101 Service shop\/bad spec\.selectr: .*`selector`/),
  ]);
});

test.each([
  ["nowhere.yaml", "there is no file or folder"],
  ["empty", "holds no manifest"],
])("%s is told", (name, message) => {
  expect(() => read(name)).toThrow(message);
});
