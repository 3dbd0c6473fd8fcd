// Conditions of a status, as all Kubernetes kinds have them.

import { z } from "zod";

export const condition = z.object({
  type: z.string(),
  /** "True", "False" or "Unknown". */
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  /** RFC 3339. */
  lastTransitionTime: z.string().optional(),
  lastProbeTime: z.string().optional(),
  lastUpdateTime: z.string().optional(),
  observedGeneration: z.number().optional(),
});

export type Condition = z.output<typeof condition>;
