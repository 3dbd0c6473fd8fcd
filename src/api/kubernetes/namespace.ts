// Namespace (core v1).

import { z } from "zod";
import { objectMetaSchema } from "../resource.ts";
import { stringList } from "../scalars.ts";

export const namespaceSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Namespace"),
  metadata: objectMetaSchema,
  spec: z.strictObject({ finalizers: stringList }).default({ finalizers: [] }),
  status: z.object({ phase: z.string().optional() }).optional(),
});

export type Namespace = z.output<typeof namespaceSchema>;
