import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { apiParser } from "./api-parser.ts";
import { openSqliteStore } from "./sqlite-store.ts";
import { acceptedOf, type RawResource } from "./store.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lateen-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (path = join(folder, "store.db")) =>
  openSqliteStore({ path, clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID() });

const configMap = (name: string, value = "1"): RawResource => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data: { value },
});

test("objects, uids and the revision survive a restart; a removal keeps its revision used", () => {
  const store = open();
  const kept = acceptedOf(store.create(configMap("kept")));
  store.create(configMap("gone"));
  store.delete({ kind: "ConfigMap", namespace: "default", name: "gone" });
  store.close();
  const again = open();
  expect(again.revision).toBe(3);
  expect(again.get("ConfigMap", "default", "kept")).toEqual(kept);
  expect(again.get("ConfigMap", "default", "gone")).toBeUndefined();
  expect(again.eventsSince(2)).toBe("gone");
  expect(again.eventsSince(3)).toEqual([]);
  expect(acceptedOf(again.create(configMap("new"))).revision).toBe(4);
  again.close();
});

test("a second process is kept out, and writes after close are refused", () => {
  const store = open();
  expect(() => open()).toThrow(expect.objectContaining({ code: "unavailable", fix: expect.stringContaining("lateen down") }));
  store.close();
  expect(() => store.create(configMap("late"))).toThrow(expect.objectContaining({ code: "unavailable" }));
  expect(store.revision).toBe(0);
});

test("a damaged file is refused with the command that repairs it", () => {
  const store = open();
  for (let index = 0; index < 50; index += 1) store.create(configMap(`a${index}`, "x".repeat(500)));
  store.close();
  const path = join(folder, "store.db");
  const bytes = readFileSync(path);
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0x5a)]));
  expect(() => open()).toThrow(expect.objectContaining({ fix: expect.stringContaining(`rm "${path}"`) }));
});

test("a write-ahead log cut anywhere opens on a state that was acknowledged", () => {
  const source = join(folder, "source");
  const store = open(source);
  for (let index = 0; index < 20; index += 1) store.create(configMap(`a${index}`));
  const [file, log] = [readFileSync(source), readFileSync(`${source}-wal`)];
  store.close();
  for (const cut of [1, 13, 64, 4096, 20_000]) {
    const path = join(folder, `cut-${cut}`);
    writeFileSync(path, file);
    writeFileSync(`${path}-wal`, log.subarray(0, log.length - cut));
    const opened = open(path);
    expect(opened.list("ConfigMap").length).toBe(opened.revision);
    opened.close();
  }
});

test("kill -9 while writing loses nothing that was acknowledged", { timeout: 60_000 }, async () => {
  for (const lines of [1, 2, 5, 17, 60, 133, 240]) {
    const last = await killedAfter(lines);
    const store = open();
    expect(store.revision).toBeGreaterThanOrEqual(last.revision);
    expect(Number(store.get("ConfigMap", "default", last.name)?.value.data["round"])).toBeGreaterThanOrEqual(last.round);
    for (const { raw, revision } of store.list("ConfigMap")) expect(raw.metadata.resourceVersion).toBe(String(revision));
    expect(store.unreadable()).toEqual([]);
    store.close();
  }
});

interface Acknowledged {
  readonly revision: number;
  readonly name: string;
  readonly round: number;
}

/** Lets a process write until it acknowledged so many writes, kills it with SIGKILL, and returns the last write it told about. */
async function killedAfter(lines: number): Promise<Acknowledged> {
  const script = new URL("./testdata/writer.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, join(folder, "store.db")], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    text += chunk;
    if (text.split("\n").length > lines) child.kill("SIGKILL");
  });
  await new Promise((resolve) => child.once("close", resolve));
  expect(child.signalCode).toBe("SIGKILL");
  const [revision, name = "", round] = (text.split("\n").slice(0, -1).at(-1) ?? "").split(" ");
  return { revision: Number(revision), name, round: Number(round) };
}
