// ReleaseRun (lateen.io/v1alpha1): schema and types. The record of one candidate's way: who, with which settings, every decision, the outcome.
// Written by the engine; samples are kept elsewhere and referred to, since an object stays below 1 MB.

import { z } from "zod";
import type { Finding } from "../finding.ts";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus } from "../scalars.ts";

export const releaseRunSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("ReleaseRun"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    /** Name of the Release. */
    release: z.string(),
    candidate: z.string(),
    stable: z.string(),
    /** The Release's spec as it was when the run began. */
    settings: z.record(z.string(), z.unknown()).default({}),
  }),
  status: anyStatus,
});

export type ReleaseRun = z.output<typeof releaseRunSchema>;

/** A run that compares a version with itself is no run. */
export function checkReleaseRun({ spec }: ReleaseRun): readonly Finding[] {
  if (spec.candidate !== spec.stable) return [];
  return [{ code: "LTN1103", path: ["spec", "candidate"], message: "`spec.candidate` and `spec.stable` are the same version" }];
}
