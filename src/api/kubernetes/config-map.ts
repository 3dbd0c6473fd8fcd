// ConfigMap (core v1): plain settings that pods read as environment or files.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { stringMap } from "../scalars.ts";

export const configMapSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("ConfigMap"),
  metadata: namespacedMetaSchema,
  data: stringMap,
  /** Base64. */
  binaryData: stringMap,
  immutable: z.boolean().optional(),
});

export type ConfigMap = z.output<typeof configMapSchema>;
