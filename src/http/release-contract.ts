// Releases over HTTP, beside Kubernetes' routes for their objects: what people ask of them, and what only the engine can tell. Types and zod schemas; no I/O.

import { z } from "zod";
import type { StepKind } from "../api/release/steps.ts";
import type { Replay } from "../release/explain.ts";
import type { PersonInput } from "../release/observation.ts";
import type { ReleasePlan } from "../release/plan.ts";
import type { ReleaseState } from "../release/state.ts";
import type { PublicStatus } from "../release/status.ts";

/** One step as `lateen release get` draws it. */
export interface ReleaseStepView {
  /** From 1. */
  readonly step: number;
  readonly kind: StepKind;
  /** "10 % of requests" */
  readonly exposure: string;
  readonly state: "done" | "current" | "next" | "skipped";
  /** When it was entered, RFC 3339. */
  readonly since?: string;
}

/** GET /lateen/v1/releases/<namespace>/<name> */
export interface ReleaseView {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly status: PublicStatus;
  /** Seconds until the present step may go on, if the candidate stays as good as it looks. */
  readonly etaSeconds?: number;
  /** Requests per second to all versions in this step. */
  readonly requestsPerSecond?: number;
  readonly steps: readonly ReleaseStepView[];
  /** When the run began and ended, RFC 3339. */
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly outcome?: string;
  /** The present or last run in sentences, oldest first. */
  readonly story: readonly string[];
  /** Inputs that aren't handled yet. */
  readonly waitingInputs: number;
  /** What became of the last ten inputs. */
  readonly answers: NonNullable<ReleaseState["answers"]>;
}

/** GET /lateen/v1/releases/<namespace>/<name>/plan */
export interface PlanReply {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly stable?: string;
  readonly candidate?: string;
  readonly plan: ReleasePlan;
}

/** POST /lateen/v1/releases/<namespace>/<name>/replay */
export interface ReplayReply {
  readonly run: string;
  /** How many seconds were recorded. */
  readonly seconds: number;
  /** With the settings of then, and with the given ones. */
  readonly asItWas: Replay;
  readonly replayed: Replay;
}

/** What the control plane tells about releases; app implements it. */
export interface ReleasesView {
  releases(): readonly ReleaseView[];
  /** @throws NotFound */
  release(namespace: string, name: string): ReleaseView;
  /** @throws NotFound */
  plan(namespace: string, name: string): PlanReply;
  /** Stores it; the decision follows at once. @throws NotFound */
  ask(namespace: string, name: string, input: Omit<PersonInput, "seq">): { readonly seq: number };
  /** Judges a recorded run again. @throws NotFound; BadInput where nothing was recorded */
  replay(namespace: string, name: string, request: ReplayRequest): ReplayReply;
}

export const releasePathSchema = z.object({ namespace: z.string(), name: z.string() });

export const releaseInputSchema = z.strictObject({
  type: z.enum(["promote", "abort", "pause", "resume", "set-weight", "undo", "retry"]),
  actor: z.string().min(1).max(200),
  reason: z.string().max(1000).default(""),
  percent: z.number().min(0).max(100).optional(),
  full: z.boolean().optional(),
  force: z.boolean().optional(),
});

export const replayRequestSchema = z.strictObject({
  /** Of every metric, in place of what held then. */
  margin: z.strictObject({ ratio: z.number().min(0).optional(), plus: z.number().gt(-1).lt(1).optional() }).optional(),
  falseAlarm: z.number().gt(0).lt(1).optional(),
});

export type ReplayRequest = z.output<typeof replayRequestSchema>;
