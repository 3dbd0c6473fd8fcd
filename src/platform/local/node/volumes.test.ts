import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseManifests } from "../../../api/parse.ts";
import type { PodSources } from "./environment.ts";
import { makeVolumes, mountsOf } from "./volumes.ts";

const root = mkdtempSync(join(tmpdir(), "lateen-volumes-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const binary = Buffer.from([0xff, 0x00, 0xfe]);
const sources = sourcesOf(`
{apiVersion: v1, kind: ConfigMap, metadata: {name: theme}, data: {theme.json: "{}", other: x}, binaryData: {logo: ${binary.toString("base64")}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: keys}, data: {store: ${binary.toString("base64")}, word: YWJj}}
`);

function sourcesOf(text: string): PodSources {
  const values = parseManifests(text, { file: "sources.yaml" }).resources.map(({ value }) => value);
  return {
    configMap: (name) => values.filter((value) => value.kind === "ConfigMap").find(({ metadata }) => metadata.name === name),
    secret: (name) => values.filter((value) => value.kind === "Secret").find(({ metadata }) => metadata.name === name),
  };
}

function podOf(volumes: string, mounts = "[]") {
  const text = `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {volumes: ${volumes}, containers: [{name: c, image: i, volumeMounts: ${mounts}}]}}`;
  const { resources, diagnostics } = parseManifests(text, { file: "pod.yaml" });
  const value = resources[0]?.value;
  if (value?.kind !== "Pod") throw new Error(JSON.stringify(diagnostics));
  return value;
}

let pods = 0;
const made = (volumes: string) => makeVolumes(podOf(volumes), join(root, String(pods++)), sources);

test("ConfigMaps and Secrets become files, byte by byte, readable for whoever the container runs as", async () => {
  const folders = await made("[{name: a, configMap: {name: theme}}, {name: b, secret: {secretName: keys}}]");
  const config = folders.get("a") ?? "";
  expect(readFileSync(join(config, "theme.json"), "utf8")).toBe("{}");
  expect(readFileSync(join(config, "logo"))).toEqual(binary);
  const secret = folders.get("b") ?? "";
  expect(readFileSync(join(secret, "store"))).toEqual(binary);
  expect(readFileSync(join(secret, "word"), "utf8")).toBe("abc");
  expect(statSync(join(secret, "word")).mode & 0o777).toBe(0o644);
});

test("items choose keys and paths, and never lead out of the volume", async () => {
  const folders = await made(
    "[{name: a, configMap: {name: theme, items: [{key: other, path: deep/x.txt}, {key: other, path: ../../../out}]}}]",
  );
  const folder = folders.get("a") ?? "";
  expect(readFileSync(join(folder, "deep/x.txt"), "utf8")).toBe("x");
  expect(readFileSync(join(folder, "out"), "utf8")).toBe("x");
});

test("an emptyDir is empty, and everybody's", async () => {
  const folder = (await made("[{name: a, emptyDir: {}}]")).get("a") ?? "";
  expect(statSync(folder).mode & 0o777).toBe(0o777);
});

test.each([
  ["[{name: a, configMap: {name: gone}}]", 'volume a needs ConfigMap "gone", which does not exist'],
  ["[{name: a, secret: {secretName: gone}}]", 'volume a needs Secret "gone", which does not exist'],
  ["[{name: a, configMap: {name: theme, items: [{key: constructor, path: x}]}}]", 'ConfigMap "theme" has no key "constructor"'],
  ["[{name: a, secret: {secretName: keys, items: [{key: nope, path: x}]}}]", 'Secret "keys" has no key "nope"'],
])("what %s names must exist", async (volumes, message) => {
  await expect(made(volumes)).rejects.toThrow(message);
  await expect(
    made(
      volumes
        .replace("name: gone", "name: gone, optional: true")
        .replace("items:", "optional: true, items:")
        .replace("secretName: gone", "secretName: gone, optional: true"),
    ),
  ).resolves.toBeDefined();
});

test("mounts name volumes; subPath stays inside", () => {
  const folders = new Map([["a", "/run/pods/1/volumes/a"]]);
  const container = (mounts: string) => podOf("[{name: a, emptyDir: {}}]", mounts).spec.containers[0];
  const [plain, below] = [
    container("[{name: a, mountPath: /x, readOnly: true}]"),
    container("[{name: a, mountPath: /y, subPath: ../../b}]"),
  ];
  if (plain === undefined || below === undefined) throw new Error("no container");
  expect(mountsOf(plain, folders)).toEqual([{ hostPath: "/run/pods/1/volumes/a", mountPath: "/x", readOnly: true }]);
  expect(mountsOf(below, folders)).toEqual([{ hostPath: "/run/pods/1/volumes/a/b", mountPath: "/y", readOnly: false }]);
  expect(() => mountsOf(plain, new Map())).toThrow('volumeMount "a" of container c names no volume');
});
