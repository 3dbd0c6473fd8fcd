// What the operating system says of a process (CPU time, memory), and on which core a process runs.

import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { findTool } from "../../src/platform/local/tools.ts";
import { descendantsOf, type ProcessFact } from "../harness/processes.ts";

/** Length of a tick of /proc/PID/stat in seconds: USER_HZ is 100 on every Linux that Node runs on. */
const tickSeconds = 0.01;

/** User and system CPU time of a process with all its threads, in seconds; by the scheduler's nanoseconds where it tells them. */
export function cpuSeconds(pid: number): number {
  return exactCpuSeconds(pid) ?? tickCpuSeconds(pid);
}

/** Sum over living threads of /proc/PID/task/TID/schedstat; undefined where the kernel keeps no such numbers. */
function exactCpuSeconds(pid: number): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
    const sum = nanoseconds.reduce((total, value) => total + value, 0);
    return sum > 0 ? sum / 1e9 : undefined;
  } catch {
    return undefined;
  }
}

function tickCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickSeconds;
}

/** Resident memory now, and the most it ever was, in MB (10^6 bytes). */
export function memoryOf(pid: number): { readonly rssMb: number; readonly peakRssMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (field: string) => Math.round((Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024) / 1e5) / 10;
  return { rssMb: read("VmRSS"), peakRssMb: read("VmHWM") };
}

/** The descendant of `root` that was started as one of Lateen's roles. */
export function roleProcess(root: number, role: "control-plane" | "node"): ProcessFact {
  const isRole = ({ command }: ProcessFact) => /^\S*node\S* /.test(command) && command.includes(`"role":"${role}"`);
  const found = descendantsOf(root).find(isRole);
  if (found === undefined) throw new Error(`process ${root} has no ${role}`);
  return found;
}

/** The words before a command that keep it on one core; none where that can't be done. Core 0 for what is measured, 1 for all else. */
export function pinned(core: 0 | 1): readonly string[] {
  const taskset = findTool("taskset");
  return taskset === undefined || availableParallelism() < 2 ? [] : [taskset, "--cpu-list", String(core)];
}
