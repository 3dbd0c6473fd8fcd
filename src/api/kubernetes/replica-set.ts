// ReplicaSet (apps/v1): keeps a number of pods of one template alive; made by Deployments.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { uint32 } from "../scalars.ts";
import { condition } from "./condition.ts";
import { labelSelector } from "./label-selector.ts";
import { podTemplateSpec } from "./pod-spec.ts";

export const replicaSetSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("ReplicaSet"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    /** Default 1 (apps/v1 ReplicaSetSpec). */
    replicas: uint32.default(1),
    selector: labelSelector,
    template: podTemplateSpec,
    minReadySeconds: uint32.default(0),
  }),
  status: z
    .object({
      observedGeneration: z.number().default(0),
      replicas: z.number().default(0),
      readyReplicas: z.number().default(0),
      availableReplicas: z.number().default(0),
      fullyLabeledReplicas: z.number().default(0),
      conditions: z.array(condition).default([]),
    })
    .optional(),
});

export type ReplicaSet = z.output<typeof replicaSetSchema>;
