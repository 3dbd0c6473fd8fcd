// Pod (core v1): one instance of a workload; the node runs it, the model reads its address and labels.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { condition } from "./condition.ts";
import { podSpec } from "./pod-spec.ts";

export type { Container, ContainerPort, EnvVar, VolumeMount } from "./container.ts";
export type { KeyToPath, PodSpec, PodTemplateSpec, Volume } from "./pod-spec.ts";
export type { Probe } from "./probe.ts";

const containerState = z.object({
  waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
  running: z.object({ startedAt: z.string().optional() }).optional(),
  terminated: z
    .object({
      exitCode: z.number(),
      signal: z.number().optional(),
      reason: z.string().optional(),
      message: z.string().optional(),
      startedAt: z.string().optional(),
      finishedAt: z.string().optional(),
    })
    .optional(),
});

const containerStatus = z.object({
  name: z.string(),
  ready: z.boolean().default(false),
  started: z.boolean().optional(),
  restartCount: z.number().default(0),
  image: z.string().default(""),
  imageID: z.string().default(""),
  containerID: z.string().optional(),
  state: containerState.optional(),
  lastState: containerState.optional(),
});

/** Written by the node only; fields beyond these are kept in the stored object and not read. */
const podStatus = z.object({
  phase: z.enum(["Pending", "Running", "Succeeded", "Failed", "Unknown"]).default("Pending"),
  conditions: z.array(condition).default([]),
  podIP: z.string().optional(),
  podIPs: z.array(z.object({ ip: z.string() })).default([]),
  hostIP: z.string().optional(),
  startTime: z.string().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  qosClass: z.string().optional(),
  containerStatuses: z.array(containerStatus).default([]),
  initContainerStatuses: z.array(containerStatus).default([]),
});

export const podSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Pod"),
  metadata: namespacedMetaSchema,
  spec: podSpec,
  status: podStatus.optional(),
});

export type Pod = z.output<typeof podSchema>;
export type PodStatus = z.output<typeof podStatus>;
export type ContainerStatus = z.output<typeof containerStatus>;
export type ContainerState = z.output<typeof containerState>;
