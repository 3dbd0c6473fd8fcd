// The demo as a person runs it, and every command line its README prints, while the traffic flows.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { eventually } from "../harness/eventually.ts";
import { mainPath, root } from "../harness/program.ts";

const resultSchema = z.object({
  seconds: z.number(),
  requests: z.number(),
  failures: z.number(),
  services: z.array(
    z.object({
      service: z.string(),
      versions: z.array(
        z.object({
          version: z.string(),
          weightPercent: z.number(),
          sharePercent: z.number(),
          requests: z.number(),
          p50Ms: z.number(),
          p99Ms: z.number(),
        }),
      ),
    }),
  ),
  startSeconds: z.number(),
  meshedSeconds: z.number(),
});

interface Run {
  readonly child: ChildProcess;
  readonly home: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
}

function startDemo(args: readonly string[]): Run {
  const home = mkdtempSync(join(tmpdir(), "ld-"));
  const env = { ...process.env, XDG_RUNTIME_DIR: home };
  const child = spawn(process.execPath, [mainPath, "demo", "--port", "0", ...args], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return { child, home, stdout: () => out, stderr: () => err, exited };
}

async function finish(run: Run): Promise<void> {
  if (run.child.exitCode === null) run.child.kill("SIGTERM");
  await run.exited;
  rmSync(run.home, { recursive: true, force: true });
}

describe("two demos at the same time", () => {
  it("end by themselves without a failed request and leave nothing behind", async () => {
    const runs = [
      startDemo(["--for", "4s", "--rate", "15", "--output", "json"]),
      startDemo(["--for", "4s", "--rate", "15", "--output", "json"]),
    ];
    try {
      for (const run of runs) {
        expect(await run.exited, run.stderr()).toBe(0);
        const result = resultSchema.parse(JSON.parse(run.stdout().trim().split("\n").at(-1) ?? ""));
        expect(result.failures).toBe(0);
        expect(result.requests).toBeGreaterThan(40);
        const web = result.services.find(({ service }) => service === "web");
        expect(web?.versions.map(({ weightPercent }) => weightPercent)).toEqual([90, 10]);
        expect(existsSync(join(run.home, "lateen", "demo"))).toBe(false);
      }
    } finally {
      await Promise.all(runs.map(finish));
    }
  });
});

describe("what the shop's README prints", () => {
  let run: Run;

  beforeAll(async () => {
    run = startDemo([]);
    await eventually(() => run.stderr().includes("gateway: http://") || run.child.exitCode !== null, 60_000, "the demo's start");
  });

  afterAll(async () => {
    await finish(run);
  });

  const readme = readFileSync(join(root, "examples/shop/README.md"), "utf8");
  const commands = [...readme.matchAll(/npx lateen (apply [^\n#|`]*)/g)].map(([, words]) => (words ?? "").trim());

  it("names commands", () => {
    expect(commands.length).toBeGreaterThan(4);
  });

  it.each(commands)("lateen %s works", (words) => {
    const env = { ...process.env, XDG_RUNTIME_DIR: run.home, NO_COLOR: "1" };
    const done = spawnSync(process.execPath, [mainPath, ...words.split(/\s+/)], { cwd: root, env, encoding: "utf8" });
    expect(done.status, `${done.stdout}${done.stderr}`).toBe(0);
    expect(done.stderr).toMatch(/(\d+) of \1 proxies acknowledged/);
  });
});
