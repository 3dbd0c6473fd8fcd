// Kubernetes-shaped resources and the immutable snapshot of all of them that the pure core works on.

import { z } from "zod";

/** ObjectMeta of Kubernetes, the part we keep; unknown metadata fields are dropped as an API server drops them. */
export const objectMetaSchema = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  generateName: z.string().optional(),
  uid: z.string().default(""),
  resourceVersion: z.string().default(""),
  generation: z.number().int().default(0),
  /** RFC 3339. */
  creationTimestamp: z.string().default(""),
  /** RFC 3339; set while the object waits for its end. */
  deletionTimestamp: z.string().optional(),
  deletionGracePeriodSeconds: z.number().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  ownerReferences: z
    .array(
      z.object({
        apiVersion: z.string(),
        kind: z.string(),
        name: z.string(),
        uid: z.string(),
        controller: z.boolean().optional(),
        blockOwnerDeletion: z.boolean().optional(),
      }),
    )
    .default([]),
  finalizers: z.array(z.string()).default([]),
});

export type ObjectMeta = z.infer<typeof objectMetaSchema>;

/** ObjectMeta of a namespaced kind: the namespace is always there. */
export const namespacedMetaSchema = objectMetaSchema.extend({ namespace: z.string().default("default") });

export type NamespacedMeta = z.infer<typeof namespacedMetaSchema>;

/** What every kind has; the body beside it (spec, data, status …) is the kind's own. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** "VirtualService default/reviews", or "Namespace shop" for cluster-scoped kinds. */
export function resourceName(resource: {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}): string {
  const { name, namespace } = resource.metadata;
  return namespace === undefined ? `${resource.kind} ${name}` : `${resource.kind} ${namespace}/${name}`;
}
