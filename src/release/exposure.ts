// Who gets the candidate: the whole wish at once, so that applying it twice changes nothing. Steps -> exposure; the wiring makes routes of it.

import { z } from "zod";
import { storedAudienceSchema } from "../api/release/audience.ts";
import type { PlannedStep } from "../api/release/steps.ts";
import type { TrafficUnit } from "./observation.ts";

export const exposureSchema = z
  .object({
    /** Share of requests, by chance. */
    weightPercent: z.number(),
    /** Share of users, by a hash salted with the release's name: the same user stays, and the share only grows. */
    usersPercent: z.number(),
    /** Requests that always get the candidate. */
    matches: z.array(storedAudienceSchema).readonly(),
    variants: z
      .array(
        z.object({
          name: z.string(),
          version: z.string().optional(),
          match: storedAudienceSchema.optional(),
          percent: z.number().optional(),
        }),
      )
      .readonly(),
    /** Copies whose answers are discarded. */
    mirrorPercent: z.number(),
    /** Host that reaches only the candidate. */
    previewHost: z.string().optional(),
    flags: z.array(z.object({ name: z.string(), variant: z.string() })).readonly(),
    /** The Deployment moves the traffic, pod by pod; no weights are laid over the routes. */
    byPods: z.boolean(),
  })
  .readonly();

export type Exposure = z.infer<typeof exposureSchema>;

/** Nobody gets the candidate. */
export const noExposure: Exposure = {
  weightPercent: 0,
  usersPercent: 0,
  matches: [],
  variants: [],
  mirrorPercent: 0,
  flags: [],
  byPods: false,
};

/** Everybody gets it. */
export const everyone: Exposure = { ...noExposure, weightPercent: 100 };

/** What holds during a step: everything the steps up to it gave, less what lasts for one step only (copies, variants, the preview). */
export function exposureAt(steps: readonly PlannedStep[], index: number): Exposure {
  return steps.slice(0, Math.max(0, index + 1)).reduce(exposureAfter, noExposure);
}

function exposureAfter(before: Exposure, step: PlannedStep): Exposure {
  const kept: Exposure = { ...before, mirrorPercent: 0 };
  const alone: Exposure = { ...kept, variants: [] };
  switch (step.kind) {
    case "setWeight":
      return { ...alone, weightPercent: step.percent };
    case "setPercent":
      return { ...alone, usersPercent: Math.max(before.usersPercent, step.percent) };
    case "switch":
      return everyone;
    case "pause":
      return kept;
    case "match":
      return { ...alone, matches: [...before.matches, step.match] };
    case "ring":
      if (step.match !== undefined) return { ...alone, matches: [...before.matches, step.match] };
      return { ...alone, usersPercent: Math.max(before.usersPercent, step.percent ?? 0) };
    case "mirror":
      return { ...alone, mirrorPercent: step.percent };
    case "preview":
      return { ...alone, previewHost: step.host };
    case "compare":
      return { ...alone, variants: step.variants };
    case "rollout":
      return { ...noExposure, byPods: true };
    case "flag":
      return { ...alone, flags: [...before.flags, { name: step.name, variant: step.variant }] };
  }
}

/** The largest public share, in percent: of requests, users or a comparison's variants. People chosen by conditions come on top. */
export function publicPercent(exposure: Exposure): number {
  const variants = exposure.variants.reduce((sum, { version, percent = 0 }) => sum + (version === undefined ? 0 : percent), 0);
  return Math.max(exposure.weightPercent, exposure.usersPercent, variants);
}

/** Whether anybody's requests go to the candidate: a preview is opened by who knows its host, and of copies nobody sees the answer. */
export function reachesUsers({ weightPercent, usersPercent, matches, variants, flags, byPods }: Exposure): boolean {
  const isCompared = variants.some(({ version }) => version !== undefined);
  return weightPercent > 0 || usersPercent > 0 || matches.length > 0 || isCompared || flags.length > 0 || byPods;
}

/** Whether the two say the same, in whatever order their keys are. */
export function sameExposure(one: Exposure, other: Exposure): boolean {
  return one === other || canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** One sentence's words: "10 % of requests", "users of 2 conditions"; of connections where a service has nothing else. */
export function exposureWords(exposure: Exposure, unit: TrafficUnit = "requests"): string {
  const parts = [
    exposure.byPods ? "the Deployment's own update" : "",
    exposure.weightPercent > 0 ? `${exposure.weightPercent} % of ${unit}` : "",
    exposure.usersPercent > 0 ? `${exposure.usersPercent} % of users` : "",
    exposure.matches.length > 0 ? `requests of ${exposure.matches.length} condition${exposure.matches.length > 1 ? "s" : ""}` : "",
    exposure.variants.length > 0 ? `${exposure.variants.length} variants` : "",
    exposure.flags.length > 0 ? `flag ${exposure.flags.map(({ name }) => name).join(", ")}` : "",
    exposure.mirrorPercent > 0 ? `copies of ${exposure.mirrorPercent} % of requests` : "",
    exposure.previewHost === undefined ? "" : `host ${exposure.previewHost}`,
  ];
  return parts.filter((part) => part !== "").join(", ") || "nobody";
}
