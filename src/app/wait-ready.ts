// Waits until every pod that should be there is ready and its proxy has acknowledged everything; says who is missing and why.

import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import type { ApiClient } from "../http/client-types.ts";

/** A workload or pod that isn't ready, and the node's word on why. */
export interface Waiting {
  readonly name: string;
  readonly reason: string;
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

const deploymentSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), generation: z.number().default(0) }),
  spec: z.object({ replicas: z.number().default(1) }),
  status: z
    .object({ observedGeneration: z.number().default(0), availableReplicas: z.number().default(0), updatedReplicas: z.number().default(0) })
    .default({ observedGeneration: 0, availableReplicas: 0, updatedReplicas: 0 }),
});

const podSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: z.string().optional(), message: z.string().optional() }))
        .default([]),
    })
    .default({ conditions: [] }),
});

type PodView = z.output<typeof podSchema>;

/** Resolves with an empty list as soon as all Deployments are available and all pods ready, else with what is missing at the deadline. */
export async function waitUntilReady(client: Pick<ApiClient, "list">, options: WaitOptions): Promise<readonly Waiting[]> {
  const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const told = new Set<string>();
  let waiting = await missing(client, told, options.onProgress);
  while (waiting.length > 0 && !deadline.aborted) {
    await pause(waiting.length > few ? whileManyMs : whileFewMs, undefined, { signal: deadline }).catch(() => {});
    waiting = await missing(client, told, options.onProgress);
  }
  return waiting;
}

/** Each look costs the control plane a list of everything, just when it has most to do: often only when it is about the last ones. */
const whileManyMs = 120;
const whileFewMs = 40;
const few = 4;

async function missing(
  client: Pick<ApiClient, "list">,
  told: Set<string>,
  onProgress: (line: string) => void,
): Promise<readonly Waiting[]> {
  const [deployments, pods] = await Promise.all([client.list("Deployment"), client.list("Pod")]);
  const views = pods.items.map((item) => podSchema.parse(item));
  for (const pod of views.filter(isReady)) {
    const name = nameOf(pod);
    if (told.has(name)) continue;
    told.add(name);
    onProgress(`${name} is ready`);
  }
  const unready = views.filter((pod) => !isReady(pod)).map((pod) => ({ name: nameOf(pod), reason: reasonOf(pod) }));
  const short = deployments.items
    .map((item) => deploymentSchema.parse(item))
    .filter(({ metadata, spec, status }) => status.observedGeneration < metadata.generation || status.availableReplicas < spec.replicas)
    .map(({ metadata, spec, status }) => ({
      name: `deployment ${metadata.namespace}/${metadata.name}`,
      reason: `${status.availableReplicas} of ${spec.replicas} replicas are available`,
    }));
  return [...unready, ...short];
}

function nameOf({ metadata }: PodView): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function isReady({ status }: PodView): boolean {
  return status.conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
}

function reasonOf({ status }: PodView): string {
  const ready = status.conditions.find(({ type }) => type === "Ready");
  return ready?.message ?? "not started yet";
}
