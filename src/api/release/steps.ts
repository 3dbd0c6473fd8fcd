// What a Release is going to do, step by step: written steps brought into one shape, or the documented default steps of a named strategy.
// stepsOf(spec) -> planned steps; pure, and what a run keeps as its plan.

import { z } from "zod";
import type { DurationMs } from "../../lib/duration.ts";
import { storedAudienceSchema } from "./audience.ts";
import type { ReleaseRing, ReleaseSpec, ReleaseStep, Strategy } from "./release.ts";

const forMs = z.number();
const advance = z.enum(["evidence", "clock"]);
const variant = z.object({
  name: z.string(),
  version: z.string().optional(),
  match: storedAudienceSchema.optional(),
  percent: z.number().optional(),
});
const check = z.object({ name: z.string(), method: z.string(), path: z.string(), port: z.number().optional(), status: z.number() });

/** A step as a run keeps it: plain JSON. Times in milliseconds; `forMs` is the shortest time, after everything was acknowledged. */
export const plannedStepSchema = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("setWeight"), percent: z.number(), forMs, advance }),
    z.object({ kind: z.literal("setPercent"), percent: z.number(), forMs, advance }),
    z.object({ kind: z.literal("switch"), forMs }),
    /** Without `forMs` a person resumes. */
    z.object({ kind: z.literal("pause"), forMs: forMs.optional(), approvers: z.array(z.string()).readonly() }),
    z.object({ kind: z.literal("match"), match: storedAudienceSchema, forMs }),
    z.object({
      kind: z.literal("ring"),
      name: z.string(),
      match: storedAudienceSchema.optional(),
      percent: z.number().optional(),
      forMs,
      advance,
    }),
    z.object({ kind: z.literal("mirror"), percent: z.number(), forMs, compare: z.boolean() }),
    z.object({ kind: z.literal("preview"), host: z.string(), checks: z.array(check).readonly(), timeoutMs: z.number() }),
    z.object({ kind: z.literal("compare"), variants: z.array(variant).readonly(), forMs: forMs.optional() }),
    z.object({ kind: z.literal("rollout"), type: z.enum(["rolling", "recreate"]) }),
    z.object({ kind: z.literal("flag"), name: z.string(), variant: z.string(), forMs }),
  ])
  .readonly();

export type PlannedStep = z.infer<typeof plannedStepSchema>;
export type StepKind = PlannedStep["kind"];

/** A step of traffic lasts at least so long (release-engine design §4, default steps of canary). */
export const defaultStepMs = 30_000;
/** Canary's shares (same place). */
export const canaryPercents: readonly number[] = [1, 5, 25, 50, 100];
/** Shadow's share (same place). */
const shadowPercent = 10;
const shadowMs = 300_000;

/** All steps in order; what follows the last is always promotion. */
export function stepsOf(spec: ReleaseSpec): readonly PlannedStep[] {
  return spec.steps.length > 0 ? spec.steps.flatMap((step) => plannedOf(step, spec)) : defaultSteps[strategyOf(spec)](spec);
}

/** The strategy in force when no steps are written: canary, unless one is named. */
export function strategyOf(spec: ReleaseSpec): Strategy {
  return spec.strategy ?? "canary";
}

const personDecides: PlannedStep = { kind: "pause", approvers: [] };

/** The steps that a name stands for. Where a person decides at the end, resuming promotes and aborting ends it. */
const defaultSteps: Readonly<Record<Strategy, (spec: ReleaseSpec) => readonly PlannedStep[]>> = {
  canary: () => canaryPercents.map((percent): PlannedStep => ({ kind: "setWeight", percent, forMs: defaultStepMs, advance: "evidence" })),
  blueGreen: (spec) => [previewOf(spec.preview, spec), { kind: "switch", forMs: defaultStepMs }],
  abTest: (spec) => [{ kind: "compare", variants: spec.variants }, personDecides],
  shadow: () => [{ kind: "mirror", percent: shadowPercent, forMs: shadowMs, compare: false }, personDecides],
  darkLaunch: (spec) => [
    ...(spec.match === undefined ? [] : [{ kind: "match", match: spec.match, forMs: defaultStepMs } as const]),
    personDecides,
  ],
  graduated: (spec) => spec.rings.map((ring) => ringOf(ring, "evidence")),
  rolling: () => [{ kind: "rollout", type: "rolling" }],
  recreate: () => [{ kind: "rollout", type: "recreate" }],
  featureToggle: (spec) => [
    ...(spec.flag === undefined ? [] : [{ kind: "flag", ...spec.flag, forMs: defaultStepMs } as const]),
    personDecides,
  ],
};

function plannedOf(step: ReleaseStep, spec: ReleaseSpec): readonly PlannedStep[] {
  const advance = step.advance ?? spec.analysis.advance;
  const shortest = step.for ?? defaultStepMs;
  if (step.setWeight !== undefined) return [{ kind: "setWeight", percent: step.setWeight, forMs: shortest, advance }];
  if (step.setPercent !== undefined) return [{ kind: "setPercent", percent: step.setPercent, forMs: shortest, advance }];
  if (step.switch !== undefined) return [{ kind: "switch", forMs: shortest }];
  if (step.pause !== undefined) return [{ kind: "pause", ...forOf(step.pause.for), approvers: step.pause.approvers }];
  if (step.match !== undefined) {
    const { for: least, ...match } = step.match;
    return [{ kind: "match", match, forMs: least ?? shortest }];
  }
  if (step.ring !== undefined) return [ringOf({ ...step.ring, for: step.ring.for ?? step.for }, advance)];
  return rarerStepOf(step, spec);
}

function rarerStepOf(step: ReleaseStep, spec: ReleaseSpec): readonly PlannedStep[] {
  if (step.mirror !== undefined) {
    const { for: least, ...mirror } = step.mirror;
    return [{ kind: "mirror", ...mirror, forMs: least }];
  }
  if (step.preview !== undefined) return [previewOf(step.preview, spec)];
  if (step.compare !== undefined) return [{ kind: "compare", variants: step.compare.variants, ...forOf(step.compare.for) }];
  if (step.rollout !== undefined) return [{ kind: "rollout", type: step.rollout.type }];
  if (step.flag === undefined) return [];
  return [{ kind: "flag", name: step.flag.name, variant: step.flag.variant, forMs: step.flag.for ?? step.for ?? defaultStepMs }];
}

function ringOf(ring: ReleaseRing, advance: "evidence" | "clock"): PlannedStep {
  const { name, match, percent } = ring;
  const least = ring.for ?? defaultStepMs;
  const who = match === undefined ? (percent === undefined ? {} : { percent }) : { match };
  return { kind: "ring", name, ...who, forMs: least, advance };
}

function previewOf(preview: ReleaseSpec["preview"], spec: ReleaseSpec): PlannedStep {
  const host = preview?.host ?? `preview-${spec.service}`;
  return { kind: "preview", host, checks: preview?.checks ?? [], timeoutMs: preview?.timeout ?? shadowMs };
}

function forOf(least: DurationMs | undefined): { readonly forMs?: number } {
  return least === undefined ? {} : { forMs: least };
}
