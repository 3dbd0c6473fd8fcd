import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { envoyPathOf, meshNameOf, readCommandStart, readMeshConfig } from "./config.ts";
import { lateenVersion } from "./versions.ts";

const home = mkdtempSync(join(tmpdir(), "lc-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const env = { XDG_RUNTIME_DIR: home };

/** An executable file. */
function program(...path: readonly string[]): string {
  const file = join(home, ...path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "");
  chmodSync(file, 0o755);
  return file;
}

test.each([
  ["My Shop (2)", "my-shop-2"],
  ["--", "mesh"],
  ["", "mesh"],
  [`${"a".repeat(23)}-b`, "a".repeat(23)],
])("the mesh of the folder %j is named %s", (folder, name) => {
  expect(meshNameOf(folder)).toBe(name);
  expect(readMeshConfig(env, { cwd: join("/", folder) })).toMatchObject({ mesh: name, isNamed: false, runDir: join(home, "lateen", name) });
});

test("--mesh wins over LATEEN_MESH, which wins over the folder", () => {
  expect(readMeshConfig({ ...env, LATEEN_MESH: "b" }, { cwd: "/c", mesh: "a" })).toMatchObject({ mesh: "a", isNamed: true });
  expect(readMeshConfig({ ...env, LATEEN_MESH: "b" }, { cwd: "/c" })).toMatchObject({ mesh: "b", isNamed: true });
});

test("without a usable runtime directory the temporary one is taken, one for each user", () => {
  for (const runtime of [undefined, "", "/nonexistent"]) {
    const { runDir } = readMeshConfig({ XDG_RUNTIME_DIR: runtime }, { cwd: "/shop" });
    expect(runDir).toBe(join(tmpdir(), `lateen-${process.getuid?.()}`, "shop"));
  }
});

test("what can't be is told with a fix", () => {
  expect(() => readMeshConfig(env, { cwd: "/", mesh: "My Shop" })).toThrow('"My Shop" is not a mesh name');
  expect(() => readMeshConfig({ ...env, LATEEN_LOG: "loud" }, { cwd: "/" })).toThrow("LATEEN_LOG=loud is not a log level");
  const long = join(home, "x".repeat(60));
  mkdirSync(long);
  expect(() => readMeshConfig({ XDG_RUNTIME_DIR: long }, { cwd: "/shop" })).toThrow("too long for Unix sockets");
});

test("Envoy is ENVOY_PATH's, else the cache's, else the one on PATH; a wrong ENVOY_PATH is not passed over", () => {
  const onPath = program("bin", "envoy");
  const none = { XDG_CACHE_HOME: join(home, "none"), PATH: "/nonexistent" };
  expect(() => envoyPathOf(none)).toThrow("there is no Envoy binary");
  const path = { ...none, PATH: `/nonexistent:${join(home, "bin")}` };
  expect(envoyPathOf(path)).toBe(onPath);
  const named = program("named");
  expect(envoyPathOf({ ...path, ENVOY_PATH: named })).toBe(named);
  chmodSync(named, 0o644);
  expect(() => envoyPathOf({ ...path, ENVOY_PATH: named })).toThrow("is not an executable file");
});

test("a command began when npm was called, unless that can't be", () => {
  const own = performance.timeOrigin;
  expect(readCommandStart({ LATEEN_COMMAND_START: String(own - 500) })).toBe(own - 500);
  for (const given of [undefined, "", "soon", "-1", String(own + 1000)])
    expect(readCommandStart({ LATEEN_COMMAND_START: given })).toBe(own);
});

test("the version is the package's", () => {
  expect(lateenVersion()).toBe(packageJson.version);
});
