// `lateen demo` as a person starts it: a process with a home of its own, what it prints, and its end.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { mainPath, root } from "./program.ts";

export interface DemoProcess {
  readonly child: ChildProcess;
  /** Its XDG_RUNTIME_DIR. */
  readonly home: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
}

/** Starts it on any free port. */
export function startDemoProcess(args: readonly string[]): DemoProcess {
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

/** Ends it, if it hasn't ended, and removes its home. */
export async function finishDemo(run: DemoProcess): Promise<void> {
  if (run.child.exitCode === null) run.child.kill("SIGTERM");
  await run.exited;
  rmSync(run.home, { recursive: true, force: true });
}

const endSchema = z.looseObject({
  scenario: z.string(),
  releases: z.array(
    z.looseObject({
      service: z.string(),
      candidate: z.string(),
      phase: z.string(),
      seconds: z.number(),
      failedRequests: z.number(),
      verdict: z.string(),
      visitorFailures: z.number(),
    }),
  ),
  promises: z.array(z.object({ what: z.string(), kept: z.boolean() })),
  requests: z.number(),
  failures: z.number(),
  otherFailures: z.number(),
});

/** The object on the last line of `demo --scenario … --output json`. */
export function scenarioEnd(run: DemoProcess): z.output<typeof endSchema> {
  const lines = run.stdout().trim().split("\n");
  return endSchema.parse(JSON.parse(lines.at(-1) ?? ""));
}
