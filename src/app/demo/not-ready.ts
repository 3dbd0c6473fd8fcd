// What did not become ready -> lines that say who, why, and what their containers wrote last.

import { runFiles } from "../config.ts";
import { type ContainerLog, containerLogs, readLog } from "../logs/log-files.ts";
import type { Waiting } from "../wait-ready.ts";

const linesPerContainer = 8;

/** One block per pod or workload that isn't ready; read it before the mesh is taken down. */
export function notReadyLines(waiting: readonly Waiting[], runDir: string): readonly string[] {
  const logs = containerLogs(runFiles.logsDir(runDir));
  return waiting.flatMap(({ name, reason }) => [
    `not ready: ${name}: ${reason}`,
    ...logs.filter(({ namespace, pod }) => `${namespace}/${pod}` === name).flatMap(lastLines),
  ]);
}

function lastLines(log: ContainerLog): readonly string[] {
  const current = readLog(log, { previous: false });
  const entries = current.length > 0 ? current : readLog(log, { previous: true });
  if (entries.length === 0) return [`  ${log.container}: wrote nothing`];
  return [`  ${log.container}, last lines:`, ...entries.slice(-linesPerContainer).map(({ text }) => `    ${text.slice(0, 300)}`)];
}
