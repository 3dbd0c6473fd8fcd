// All that a release engine must remember, as plain JSON in one object: what is stored after each decision is all that the next one needs.

import { z } from "zod";
import { plannedStepSchema } from "../api/release/steps.ts";
import { armSchema } from "../stats/block.ts";
import { processStateSchema } from "../stats/harm.ts";
import { intervalStateSchema } from "../stats/interval.ts";
import { judgeStateSchema } from "../stats/judge.ts";
import { limitStateSchema } from "../stats/limit.ts";
import { shareStateSchema } from "../stats/share-check.ts";
import { actionSchema } from "./actions.ts";
import { exposureSchema } from "./exposure.ts";
import { findingKinds } from "./observation.ts";

/** Why a run ended, or is ending. */
const outcomeSchema = z.enum(["succeeded", "rolledBack", "aborted", "undone", "superseded", "retried", "failed"]);

export type Outcome = z.infer<typeof outcomeSchema>;

const decisionSchema = z
  .object({
    /** Milliseconds. */
    time: z.number(),
    /** "engine", or who asked. */
    actor: z.string(),
    /** A word for programs: "StepDone", "RollBack", "PromoteAsked" … */
    what: z.string(),
    /** A sentence for people, with the numbers. */
    sentence: z.string(),
    /** What a person gave as the reason. */
    reason: z.string().optional(),
    step: z.number(),
  })
  .readonly();

export type DecisionEntry = z.infer<typeof decisionSchema>;

const evidenceSchema = z
  .object({
    judge: judgeStateSchema,
    /** `peopleOnly`: counts only in steps for chosen people, who are compared with nobody. */
    limits: z.array(z.object({ name: z.string(), peopleOnly: z.boolean(), state: limitStateSchema }).readonly()).readonly(),
    comparisons: z
      .array(z.object({ variant: z.string(), version: z.string(), metric: z.string(), state: intervalStateSchema }).readonly())
      .readonly(),
    /** Whether requests arrive in the shares that the weights say. */
    shares: shareStateSchema,
    /** Metrics whose query counts successes. */
    successes: z.array(z.string()).readonly(),
    /** Unix second of the last sample that was judged. */
    lastSecond: z.number(),
    /** When samples came last, and when the candidate last had a request; milliseconds. */
    sampleAt: z.number(),
    trafficAt: z.number(),
    /** Requests in the present step and the candidate's errors in the run. */
    stepCandidate: z.number(),
    stepStable: z.number(),
    failedRequests: z.number(),
    /** Those among them that were copies: nobody saw them. */
    failedCopies: z.number().optional(),
    /** What the service's ports said when the run began, and what was seen of both versions since. */
    unit: z.enum(["requests", "connections"]).optional(),
    seen: z.object({ requests: z.number(), connections: z.number() }).readonly().optional(),
    /** Updates in place: seconds in which stable was alone, and the candidate alone compared with them (before.ts). */
    before: z
      .object({ seconds: z.array(armSchema).readonly(), harm: processStateSchema })
      .readonly()
      .optional(),
  })
  .readonly();

export type Evidence = z.infer<typeof evidenceSchema>;

/** Where a run stands; phases that users see are made of it (status.ts). */
const stageSchema = z.enum(["blocked", "moving", "running", "held", "promoting", "warm", "returning", "draining", "done"]);

export type Stage = z.infer<typeof stageSchema>;

const runSchema = z
  .object({
    id: z.string(),
    candidate: z.string(),
    stable: z.string(),
    startedAt: z.number(),
    endedAt: z.number().optional(),
    /** The plan, as it was when the run began, and all settings for the record. */
    steps: z.array(plannedStepSchema).readonly(),
    settings: z.record(z.string(), z.unknown()),
    /** Index of the step that holds; -1 before the first. */
    step: z.number(),
    stage: stageSchema,
    stageSince: z.number(),
    /** Blocked: the step to enter, and why it can't be. */
    next: z.number(),
    blockedBy: z.string().optional(),
    exposure: exposureSchema,
    /** Users' requests went to the candidate, now or before. */
    reached: z.boolean().optional(),
    /** Number of the last move, and how many have it. */
    move: z.number(),
    acknowledged: z.object({ acknowledged: z.number(), total: z.number() }),
    /** Why less is exposed than the step allows. */
    lowered: z.enum(["suspicion", "blind"]).optional(),
    override: z.number().optional(),
    paused: z.object({ actor: z.string(), reason: z.string() }).optional(),
    /** A person allowed the next growth within a freeze window. */
    forced: z.boolean(),
    /** Id of the step's check or rollout action. */
    stepAction: z.string().optional(),
    /** Since when the candidate has no ready pod. */
    emptySince: z.number().optional(),
    /** Ready pods of stable at the start: what the whole traffic needs. */
    fullPods: z.number(),
    /** How far the Deployment's own update is. */
    rollout: z
      .object({ direction: z.enum(["forward", "undo"]), updatedReady: z.number(), total: z.number() })
      .readonly()
      .optional(),
    /** In-place updates: milliseconds without any ready pod so far, and since when there is none now. */
    gap: z.object({ ms: z.number(), since: z.number().optional() }).readonly().optional(),
    /** Hashes of the ConfigMaps and Secrets that pods of both versions use, as they were seen last. */
    configs: z.record(z.string(), z.string()).readonly().optional(),
    outcome: outcomeSchema.optional(),
    because: z.string().optional(),
    evidence: evidenceSchema,
    /** Steps as they were entered and acknowledged, milliseconds. */
    history: z.array(z.object({ index: z.number(), from: z.number(), acknowledgedAt: z.number().optional() }).readonly()).readonly(),
    decisions: z.array(decisionSchema).readonly(),
    /** What was found about the callers, as it was told. */
    findings: z
      .array(z.object({ kind: z.enum(findingKinds), subject: z.string(), sentence: z.string() }).readonly())
      .readonly()
      .optional(),
    /** What was told in this step, so that what lasts is told once. */
    told: z.array(z.string()).readonly(),
  })
  .readonly();

export type Run = z.infer<typeof runSchema>;

export const releaseStateSchema = z
  .object({
    /** Version that holds the traffic. */
    stable: z.string().optional(),
    /** Versions that went back: not started again unless somebody asks. */
    rejected: z.array(z.string()).readonly(),
    /** Who is to be tried again, although it may be no newer than stable by now; `forced`: also in a freeze window. */
    wanted: z.object({ version: z.string(), forced: z.boolean() }).readonly().optional(),
    /** Inputs up to this number are handled. */
    lastInput: z.number(),
    /** What became of the last of them, for whoever asked and waits. */
    answers: z
      .array(z.object({ seq: z.number(), sentence: z.string(), isRefused: z.boolean() }).readonly())
      .readonly()
      .optional(),
    runs: z.number(),
    /** Actions so far; makes their ids. */
    actions: z.number(),
    outbox: z.array(actionSchema).readonly(),
    /** When the last decision was made. */
    decidedAt: z.number(),
    /** Why a candidate that is there has no run. */
    waiting: z.string().optional(),
    run: runSchema.optional(),
  })
  .readonly();

/** Stored in Release.status; parse what comes back from the store with the schema. */
export type ReleaseState = z.infer<typeof releaseStateSchema>;

/** A release that has seen nothing yet. */
export const firstState: ReleaseState = { rejected: [], lastInput: 0, runs: 0, actions: 0, outbox: [], decidedAt: 0 };
