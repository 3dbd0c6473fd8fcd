// What did not become ready -> lines that say who, why, what their containers wrote last, and what the control plane complained of.

import { readFileSync } from "node:fs";
import { z } from "zod";
import { runFiles } from "../config.ts";
import { type ContainerLog, containerLogs, readLog } from "../logs/log-files.ts";
import type { Waiting } from "../wait-ready.ts";

const shownLines = 8;
const maxLineLength = 300;

/** One block per pod or workload that isn't ready; read it before the mesh is taken down. */
export function notReadyLines(waiting: readonly Waiting[], runDir: string): readonly string[] {
  const logs = containerLogs(runFiles.logsDir(runDir));
  return [
    ...waiting.flatMap(({ name, reason }) => [
      `not ready: ${name}: ${reason}`,
      ...logs.filter(({ namespace, pod }) => `${namespace}/${pod}` === name).flatMap(lastLines),
    ]),
    ...complaints(runFiles.processLog(runDir, "control-plane")),
  ];
}

function lastLines(log: ContainerLog): readonly string[] {
  const current = readLog(log, { previous: false });
  const entries = current.length > 0 ? current : readLog(log, { previous: true });
  if (entries.length === 0) return [`  ${log.container}: wrote nothing`];
  return [`  ${log.container}, last lines:`, ...entries.slice(-shownLines).map(({ text }) => `    ${text.slice(0, maxLineLength)}`)];
}

const logLineSchema = z.object({ level: z.enum(["debug", "info", "warn", "error"]), message: z.string() });

/** Warnings and errors of our own process's log (JSON lines), and what it wrote that is none: a crash. */
function complaints(path: string): readonly string[] {
  const bad = textOf(path)
    .split("\n")
    .filter((line) => line.trim() !== "" && isComplaint(line));
  if (bad.length === 0) return [];
  return ["the control plane's last complaints:", ...bad.slice(-shownLines).map((line) => `    ${line.slice(0, maxLineLength)}`)];
}

function isComplaint(line: string): boolean {
  try {
    const { success, data } = logLineSchema.safeParse(JSON.parse(line));
    return !success || data.level === "warn" || data.level === "error";
  } catch {
    return true;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
