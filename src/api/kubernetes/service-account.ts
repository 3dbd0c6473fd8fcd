// ServiceAccount (core v1): the identity of a pod.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { accepted } from "../scalars.ts";

export const serviceAccountSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("ServiceAccount"),
  metadata: namespacedMetaSchema,
  automountServiceAccountToken: accepted,
  imagePullSecrets: accepted,
  secrets: accepted,
});

export type ServiceAccount = z.output<typeof serviceAccountSchema>;
