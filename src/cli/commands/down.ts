// `lateen down`: asks the mesh's supervisor to end and waits until everything is gone.

import { existsSync } from "node:fs";
import { startTimeOf, supervisorOf } from "../../app/run-dir.ts";
import { exitCode, type RunCommand } from "../command.ts";

const deadlineMs = 60_000;
const pollMs = 20;

export const runDown: RunCommand = async (_input, { config, terminal }) => {
  const lock = supervisorOf(config);
  if (lock === undefined) {
    terminal.err(`the mesh "${config.mesh}" is not running`);
    return exitCode.ok;
  }
  process.kill(lock.pid, "SIGTERM");
  const until = performance.now() + deadlineMs;
  while (performance.now() < until) {
    if (startTimeOf(lock.pid) !== lock.startTime && !existsSync(config.runDir)) {
      terminal.err(`the mesh "${config.mesh}" is down; nothing of it is left`);
      return exitCode.ok;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  terminal.err(`the mesh "${config.mesh}" (process ${lock.pid}) did not end within ${deadlineMs / 1000} s`);
  return exitCode.timedOut;
};
