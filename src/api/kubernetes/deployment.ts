// Deployment (apps/v1): how many pods of a template should run and how they are replaced; its controller makes ReplicaSets.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { intOrString, uint32 } from "../scalars.ts";
import { condition } from "./condition.ts";
import { labelSelector } from "./label-selector.ts";
import { podTemplateSpec } from "./pod-spec.ts";

/** 25 % both (apps/v1 RollingUpdateDeployment). */
const rollingUpdate = z.strictObject({
  maxUnavailable: intOrString.default("25%"),
  maxSurge: intOrString.default("25%"),
});

const strategy = z
  .strictObject({ type: z.enum(["RollingUpdate", "Recreate"]).default("RollingUpdate"), rollingUpdate: rollingUpdate.optional() })
  .default({ type: "RollingUpdate" });

export const deploymentSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Deployment"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    /** Default 1 (apps/v1 DeploymentSpec). */
    replicas: uint32.default(1),
    selector: labelSelector,
    template: podTemplateSpec,
    strategy,
    minReadySeconds: uint32.default(0),
    revisionHistoryLimit: uint32.default(10),
    progressDeadlineSeconds: uint32.default(600),
    paused: z.boolean().default(false),
  }),
  status: z
    .object({
      observedGeneration: z.number().default(0),
      replicas: z.number().default(0),
      updatedReplicas: z.number().default(0),
      readyReplicas: z.number().default(0),
      availableReplicas: z.number().default(0),
      unavailableReplicas: z.number().default(0),
      conditions: z.array(condition).default([]),
    })
    .optional(),
});

export type Deployment = z.output<typeof deploymentSchema>;
export type DeploymentStrategy = Deployment["spec"]["strategy"];

/** What an unset rollingUpdate stands for. */
export const defaultRollingUpdate = { maxUnavailable: "25%", maxSurge: "25%" } as const;
