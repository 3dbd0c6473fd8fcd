// How the control plane's start is told when it fails.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { silentLogger } from "../lib/log.ts";
import { runFiles } from "./config.ts";
import { ControlPlaneProcess } from "./control-plane-process.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-cp-"));

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(home, { recursive: true, force: true });
});

test("a control plane that dies before it is ready is told with its last words", async () => {
  const runDir = join(home, "run");
  mkdirSync(runFiles.logsDir(runDir), { recursive: true });
  // The program that the supervisor starts again is this file.
  const program = join(home, "program.mjs");
  writeFileSync(program, 'process.stderr.write("the store is damaged\\n"); process.exit(3);\n');
  vi.spyOn(process, "argv", "get").mockReturnValue([process.execPath, program]);
  vi.spyOn(process, "execArgv", "get").mockReturnValue([]);
  const options = { role: "control-plane", mesh: "m", runDir, logLevel: "info", egress: false, certificateLifetimeMs: 60_000 } as const;
  const controlPlane = new ControlPlaneProcess(options, silentLogger);
  await expect(controlPlane.start()).rejects.toThrow(/ended \(3\) before it was ready; it said:\n {2}the store is damaged/);
  await controlPlane.stop();
});
