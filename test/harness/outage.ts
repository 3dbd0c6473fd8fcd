// The control plane away for a while: the supervisor is held so that it can't start it again, then goes on. And what Envoy's admin says.

import { join } from "node:path";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { eventually } from "./eventually.ts";
import type { TestMesh } from "./mesh.ts";
import { findProcesses } from "./processes.ts";

/** Kills the control plane with kill -9, keeps it away for `ms`, and waits until the new one knows every proxy again. */
export async function controlPlaneOutage(mesh: TestMesh, ms: number): Promise<void> {
  const before = controlPlanePid(mesh);
  process.kill(mesh.pid, "SIGSTOP");
  try {
    process.kill(before, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, ms));
  } finally {
    process.kill(mesh.pid, "SIGCONT");
  }
  await eventually(() => ![before, 0].includes(controlPlanePid(mesh)), 10_000, "a new control plane");
  await allSynced(mesh);
}

/** Waits until every proxy is connected and has acknowledged everything. */
export async function allSynced(mesh: TestMesh): Promise<void> {
  await eventually(
    async () => {
      try {
        const { proxies } = await mesh.client.proxies();
        return proxies.length > 0 && proxies.every(({ connected, synced }) => connected && synced);
      } catch {
        return false;
      }
    },
    15_000,
    "every proxy synced",
  );
}

/** PID of the control plane; 0 when there is none. */
export function controlPlanePid(mesh: TestMesh): number {
  return findProcesses(mesh.pid, /"role":"control-plane"/).at(-1)?.pid ?? 0;
}

/** Envoy's counters and gauges of a pod's proxy whose names match. */
export async function envoyStats(mesh: TestMesh, pod: string, filter: RegExp): Promise<Readonly<Record<string, number>>> {
  const { metadata } = await mesh.client.get({ kind: "Pod", name: pod });
  const { body } = await askAdmin(join(mesh.runDir, "pods", metadata.uid ?? "", "admin.sock"), "GET", "/stats");
  const lines = body.split("\n").map((line) => line.split(": "));
  return Object.fromEntries(lines.filter(([name = ""]) => filter.test(name)).map(([name = "", value]) => [name, Number(value)]));
}
