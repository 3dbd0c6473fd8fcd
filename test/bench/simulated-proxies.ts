// Many simulated proxies in a process of their own on core 1, and what they have received.

import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { BenchContext } from "./benchmark.ts";
import { Helper } from "./ipc-calls.ts";
import { startProcess, stopProcess } from "./workspace.ts";

const receiptSchema = z.object({
  responses: z.number(),
  bytes: z.number(),
  /** Per type the number of responses, and the names of resources that any proxy got. */
  types: z.record(z.string(), z.object({ responses: z.number(), names: z.array(z.string()), removed: z.array(z.string()) })),
});

/** What all proxies together received since they were asked last. */
export type Receipt = z.output<typeof receiptSchema>;

export interface SimulatedProxies {
  readonly pid: number;
  receipt(): Promise<Receipt>;
}

/** Connects the proxies; they acknowledge whatever comes. */
export async function startSimulatedProxies(
  context: BenchContext,
  places: readonly { readonly socketPath: string; readonly nodeId: string }[],
): Promise<SimulatedProxies> {
  const program = fileURLToPath(new URL("simulated-proxies-program.ts", import.meta.url));
  const child = startProcess([process.execPath, "--disable-warning=ExperimentalWarning", program], {
    core: 1,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  context.cleanup.defer(() => stopProcess(child, "SIGKILL"));
  const helper = new Helper(child);
  await helper.call("connect", { proxies: places });
  return { pid: helper.pid, receipt: async () => receiptSchema.parse(await helper.call("receipt")) };
}
