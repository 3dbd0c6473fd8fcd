// The control plane away for a while: the supervisor is held so that it can't start it again, then goes on. And what Envoy's admin says.

import { join } from "node:path";
import { z } from "zod";
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
  await eventually(() => ![before, 0].includes(controlPlanePid(mesh)), 60_000, "a new control plane");
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
    60_000,
    "every proxy synced",
  );
}

/** PID of the control plane; 0 when there is none. */
export function controlPlanePid(mesh: TestMesh): number {
  return findProcesses(mesh.pid, /"role":"control-plane"/).at(-1)?.pid ?? 0;
}

/** Envoy's counters and gauges of a pod's proxy whose names match. */
export async function envoyStats(mesh: TestMesh, pod: string, filter: RegExp): Promise<Readonly<Record<string, number>>> {
  const lines = (await adminText(mesh, pod, "/stats")).split("\n").map((line) => line.split(": "));
  return Object.fromEntries(lines.filter(([name = ""]) => filter.test(name)).map(([name = "", value]) => [name, Number(value)]));
}

const clustersSchema = z.object({
  cluster_statuses: z.array(
    z.object({
      name: z.string(),
      host_statuses: z
        .array(
          z.object({
            address: z.object({ socket_address: z.object({ address: z.string() }).optional() }),
            health_status: z.object({ eds_health_status: z.string().optional() }),
          }),
        )
        .default([]),
    }),
  ),
});

/** Addresses that a pod's proxy may send a cluster's requests to: its healthy endpoints. */
export async function healthyEndpoints(mesh: TestMesh, pod: string, cluster: string): Promise<readonly string[]> {
  const { cluster_statuses } = clustersSchema.parse(JSON.parse(await adminText(mesh, pod, "/clusters?format=json")));
  const hosts = cluster_statuses.find(({ name }) => name === cluster)?.host_statuses ?? [];
  return hosts
    .filter(({ health_status }) => health_status.eds_health_status === "HEALTHY")
    .map(({ address }) => address.socket_address?.address ?? "");
}

/** `pod` may be "namespace/name". */
async function adminText(mesh: TestMesh, pod: string, path: string): Promise<string> {
  const [name = "", namespace = "default"] = pod.split("/").toReversed();
  const { metadata } = await mesh.client.get({ kind: "Pod", namespace, name });
  return (await askAdmin(join(mesh.runDir, "pods", metadata.uid ?? "", "admin.sock"), "GET", path)).body;
}
