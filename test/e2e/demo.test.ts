// The demo as a person runs it, and every command line its README prints, while the traffic flows.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type DemoProcess, finishDemo, startDemoProcess } from "../harness/demo-process.ts";
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
          sharePercent: z.number().nullable(),
          requests: z.number(),
          p50Ms: z.number().nullable(),
          p99Ms: z.number().nullable(),
        }),
      ),
    }),
  ),
  /** Failures that no version was told to cause. */
  otherFailures: z.number(),
  startSeconds: z.number(),
  meshedSeconds: z.number(),
});

describe("two demos at the same time", () => {
  it("end by themselves without a failed request and leave nothing behind", async () => {
    const runs = [
      startDemoProcess(["--for", "4s", "--rate", "15", "--output", "json"]),
      startDemoProcess(["--for", "4s", "--rate", "15", "--output", "json"]),
    ];
    try {
      for (const run of runs) {
        expect(await run.exited, run.stderr()).toBe(0);
        const result = resultSchema.parse(JSON.parse(run.stdout().trim().split("\n").at(-1) ?? ""));
        expect(result.otherFailures).toBe(0);
        expect(result.requests).toBeGreaterThan(40);
        const web = result.services.find(({ service }) => service === "web");
        expect(web?.versions.map(({ weightPercent }) => weightPercent)).toEqual([90, 10]);
        expect(existsSync(join(run.home, "lateen", "demo"))).toBe(false);
      }
    } finally {
      await Promise.all(runs.map(finishDemo));
    }
  });
});

describe("what the shop's README prints", () => {
  let run: DemoProcess;

  beforeAll(async () => {
    run = startDemoProcess([]);
    await eventually(() => run.stderr().includes("gateway: http://") || run.child.exitCode !== null, 60_000, "the demo's start");
  });

  afterAll(async () => {
    await finishDemo(run);
  });

  const readme = readFileSync(join(root, "examples/shop/README.md"), "utf8");
  // What lies in releases/ the demo applies itself, in its order (release-demo.test.ts).
  const commands = [...readme.matchAll(/npx lateen (apply -f examples\/shop\/try\/[^\n#|`]*)/g)].map(([, words]) => (words ?? "").trim());

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
