// Secret (core v1): settings that nobody should see by accident; pods read them as environment or files.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { stringMap } from "../scalars.ts";

export const secretSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Secret"),
  metadata: namespacedMetaSchema,
  type: z.string().default("Opaque"),
  /** Base64. */
  data: stringMap,
  /** Plain text; wins over `data` under the same key. */
  stringData: stringMap,
  immutable: z.boolean().optional(),
});

export type Secret = z.output<typeof secretSchema>;
