import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { eventually } from "../../test/harness/eventually.ts";
import { type MeshConfig, runFiles } from "./config.ts";
import { runningMesh, startTimeOf, supervisorOf, takeRunDirectory } from "./run-dir.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-run-"));
const children: ChildProcess[] = [];

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

/** A mesh of its own root, so that tests don't see each other's. */
function meshIn(root: string, mesh = "shop"): MeshConfig {
  return { mesh, runDir: join(home, root, mesh), isNamed: false, logLevel: "info", certificateLifetimeMs: 60_000 };
}

/** What a supervisor that is not this process has left: its lock, and a file. */
function leaveBehind({ runDir }: MeshConfig, lock: object): string {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  writeFileSync(runFiles.lock(runDir), JSON.stringify(lock));
  const leftover = join(runDir, "leftover");
  writeFileSync(leftover, "");
  return leftover;
}

test("one supervisor at a time holds the directory, and nothing is left when it lets go", () => {
  const config = meshIn("a");
  const taken = takeRunDirectory(config, "run-1");
  expect(supervisorOf(config)).toMatchObject({ pid: process.pid, runId: "run-1" });
  expect(() => takeRunDirectory(config, "run-2")).toThrow('the mesh "shop" is already running');
  writeFileSync(join(taken.path, "store.db"), "");
  taken.remove();
  taken.remove();
  expect([config.runDir, runFiles.sharedDir(config.runDir)].filter(existsSync)).toEqual([]);
  expect(supervisorOf(config)).toBeUndefined();
});

test.each([
  ["of a process that is gone", { pid: 4_000_000, startTime: "1", runId: "old" }],
  ["of a process whose number another one has now", { pid: process.pid, startTime: "1", runId: "old" }],
  ["that cannot be read", { pid: "?" }],
])("a directory %s is taken over, and its leftovers go", (_what, lock) => {
  const config = meshIn(`b-${String("pid" in lock ? lock.pid : "")}`);
  const leftover = leaveBehind(config, lock);
  const taken = takeRunDirectory(config, "run-1");
  expect(existsSync(leftover)).toBe(false);
  expect(supervisorOf(config)?.runId).toBe("run-1");
  taken.remove();
});

test("a folder that others may write to is refused", () => {
  const config = meshIn("c");
  mkdirSync(dirname(config.runDir));
  chmodSync(dirname(config.runDir), 0o777);
  expect(() => takeRunDirectory(config, "run-1")).toThrow("others may write to it");
});

test("without a name the only running mesh is meant, and no guess is made between two", () => {
  const here = meshIn("d", "here");
  expect(runningMesh(here)).toBe(here);
  const one = takeRunDirectory(meshIn("d", "one"), "run-1");
  leaveBehind(meshIn("d", "dead"), { pid: 4_000_000, startTime: "1", runId: "old" });
  expect(runningMesh(here).mesh).toBe("one");
  expect(runningMesh({ ...here, isNamed: true }).mesh).toBe("here");
  const two = takeRunDirectory(meshIn("d", "two"), "run-2");
  expect(runningMesh(here).mesh).toBe("here");
  one.remove();
  two.remove();
});

/** Another process takes the mesh's directory and waits. */
async function holder(config: MeshConfig, runId: string): Promise<ChildProcess> {
  const program = `
    const { takeRunDirectory } = await import(${JSON.stringify(new URL("./run-dir.ts", import.meta.url).href)});
    takeRunDirectory(${JSON.stringify(config)}, ${JSON.stringify(runId)});
    console.log("taken");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
  return child;
}

/** Whether a janitor of this directory is still at work. */
function hasJanitor({ runDir }: MeshConfig): boolean {
  return readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(`lateen-janitor\0${runDir}\0`));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

test("after kill -9 of its holder the janitor removes the directory", async () => {
  const config = meshIn("e");
  const child = await holder(config, "run-1");
  const before = supervisorOf(config);
  expect(before).toMatchObject({ pid: child.pid, startTime: startTimeOf(child.pid ?? 0) });
  expect(existsSync(runFiles.sharedDir(config.runDir))).toBe(true);
  child.kill("SIGKILL");
  await eventually(() => ![config.runDir, runFiles.sharedDir(config.runDir)].some(existsSync));
});

test("the janitor leaves alone what the next run has taken", async () => {
  const config = meshIn("f");
  const child = await holder(config, "run-1");
  writeFileSync(runFiles.lock(config.runDir), readFileSync(runFiles.lock(config.runDir), "utf8").replace("run-1", "run-2"));
  expect(hasJanitor(config)).toBe(true);
  child.kill("SIGKILL");
  await eventually(() => !hasJanitor(config));
  expect(existsSync(config.runDir)).toBe(true);
});
