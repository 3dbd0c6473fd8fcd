// Event (core v1): what happened to an object, in words; `kubectl describe` and `kubectl get events` show them. Written by the control plane, kept for an hour.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { accepted } from "../scalars.ts";

export const eventSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Event"),
  metadata: namespacedMetaSchema,
  /** The object it is about. */
  involvedObject: z.object({
    apiVersion: z.string().optional(),
    kind: z.string(),
    namespace: z.string().optional(),
    name: z.string(),
    uid: z.string().optional(),
  }),
  /** A word for programs, in UpperCamelCase. */
  reason: z.string().default(""),
  message: z.string().default(""),
  type: z.enum(["Normal", "Warning"]).default("Normal"),
  source: z.object({ component: z.string().optional(), host: z.string().optional() }).optional(),
  firstTimestamp: z.string().optional(),
  lastTimestamp: z.string().optional(),
  count: z.number().int().optional(),
  action: z.string().optional(),
  eventTime: z.string().nullish(),
  reportingComponent: z.string().optional(),
  reportingInstance: z.string().optional(),
  related: accepted,
  series: accepted,
});

export type Event = z.output<typeof eventSchema>;
