// The mesh's own log: loggers' lines and whatever a process prints become lines that `lateen logs --own` reads, in bounded files.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogger, withFields } from "../lib/log.ts";
import { ownLogs, readLog } from "./logs/log-files.ts";
import { MeshLog } from "./mesh-log.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const texts = (): readonly string[] => ownLogs(folder).flatMap((log) => readLog(log, { previous: false }).map(({ text }) => text));

test("lines of loggers, split as they may come, and what is no logger's", () => {
  const log = new MeshLog(join(folder, "mesh.log"));
  createLogger("supervisor", "info", (line) => log.write(line)).warn("the control plane ended", { how: "SIGKILL", inMs: 50 });
  const lines: string[] = [];
  const node = withFields(
    createLogger("node", "info", (line) => lines.push(line)),
    { pod: "shop/web-1" },
  );
  node.warn("the proxy ended", { exitCode: 137 });
  const printed = Buffer.from(`${lines.join("")}\nFATAL ERROR: heap limit\n  at µ`);
  for (const at of [0, 40, printed.length - 1]) {
    log.output("node", printed.subarray(at, at === 0 ? 40 : at === 40 ? printed.length - 1 : printed.length));
  }
  log.close();
  expect(texts()).toEqual([
    "warn supervisor: the control plane ended  how=SIGKILL  inMs=50",
    "warn node: the proxy ended  pod=shop/web-1  exitCode=137",
    "error node: FATAL ERROR: heap limit",
    "error node:   at µ",
  ]);
  expect(ownLogs(join(folder, "nowhere"))).toEqual([]);
});

test("the files stay small, and keep the newest", () => {
  const log = new MeshLog(join(folder, "mesh.log"));
  const logger = createLogger("node", "info", (line) => log.write(line));
  for (let count = 0; count < 30; count += 1) logger.error(String(count), { text: "x".repeat(100_000) });
  log.close();
  for (const name of ["mesh.log", "mesh.log.1"]) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(1024 * 1024);
  expect(texts().at(-1)).toMatch(/^error node: 29 /);
});
