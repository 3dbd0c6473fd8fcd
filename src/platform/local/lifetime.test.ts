import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";
import { startNodeProcess } from "./launch.ts";

const launcher = fileURLToPath(new URL("testing/launcher-program.ts", import.meta.url));
const upSchema = z.object({ world: z.object({ ns: z.string() }), runDir: z.string() });

function processesWith(text: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}

async function untilGone(text: string): Promise<readonly string[]> {
  const deadline = performance.now() + 20_000;
  while (processesWith(text).length > 0 && performance.now() < deadline) await delay(20);
  return processesWith(text);
}

test.each(["SIGKILL", "SIGTERM"] as const)("%s of the supervisor leaves no process and no mount", async (signal) => {
  const marker = `lateen-marker-${process.pid}-${signal}`;
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", launcher, marker], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await once(child.stdout, "data");
  const { runDir } = upSchema.parse(JSON.parse(String(output)));
  expect(processesWith(marker).length).toBeGreaterThanOrEqual(3);
  expect(processesWith(runDir).length).toBeGreaterThanOrEqual(2);
  child.kill(signal);
  expect(await untilGone(marker)).toEqual([]);
  expect(await untilGone(runDir)).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(runDir);
  rmSync(runDir, { recursive: true, force: true });
});

test("a node process that fails at start is reported with what it printed", async () => {
  const started = startNodeProcess({
    command: process.execPath,
    args: ["-e", "console.error('no luck'); process.exit(3)"],
    env: {},
    cwd: "/",
  });
  await expect(started).rejects.toThrow(/exit code 3.*no luck/s);
});

test("a node process that never gets ready is killed at the deadline", async () => {
  const marker = `lateen-silent-${process.pid}`;
  const started = startNodeProcess({
    command: process.execPath,
    args: ["-e", "setInterval(() => {}, 1000)", marker],
    env: {},
    cwd: "/",
    readyTimeoutMs: 300,
  });
  await expect(started).rejects.toThrow(/not ready within 300 ms/);
  expect(await untilGone(marker)).toEqual([]);
});
