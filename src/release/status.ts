// What users and wiring read: the public status of a Release with its conditions, what the routes should be now, the ReleaseRun object.
// State -> plain values; nothing is decided here.

import type { ReleaseSpec } from "../api/release/release.ts";
import { timeToGoOn } from "../stats/planning.ts";
import { beforeWords } from "./before.ts";
import { stalledAfterMs } from "./decide.ts";
import { type Exposure, noExposure, publicPercent } from "./exposure.ts";
import { isComparable, judgementNow } from "./judging.ts";
import type { RunFinding } from "./observation.ts";
import { candidateUnreadyWords, comparisonWords, limitSentence, podsWords, stableUnreadyWords, verdictSentence } from "./sentences.ts";
import type { ReleaseState, Run } from "./state.ts";
import { unitOf } from "./unit.ts";

/** Phases as users know them (release-engine design §2). */
export type Phase =
  | "Idle"
  | "Waiting"
  | "Progressing"
  | "Paused"
  | "Promoting"
  | "Finalising"
  | "Succeeded"
  | "RolledBack"
  | "Held"
  | "Failed";

export interface Condition {
  readonly type: "Ready" | "Reconciling" | "Stalled" | "Steered";
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

export interface PublicStatus {
  readonly phase: Phase;
  readonly stable?: string;
  readonly candidate?: string;
  /** Steps from 1; 0 before the first. */
  readonly step: number;
  readonly steps: number;
  /** Configured public share; people chosen by conditions come on top. */
  readonly weightPercent: number;
  /** Measured share of requests in this step. */
  readonly sharePercent?: number;
  readonly proxies: { readonly acknowledged: number; readonly total: number };
  readonly verdict: string;
  readonly failedRequests: number;
  /** How many of them were copies, whose answers nobody saw. */
  readonly failedCopies?: number;
  /** How far the Deployment's own update is, in pods. */
  readonly rollout?: { readonly direction: "forward" | "undo"; readonly updatedReady: number; readonly total: number };
  /** What is counted, where it isn't requests. */
  readonly unit?: "connections";
  /** How long no pod of the service was ready in this run; milliseconds. */
  readonly gapMs?: number;
  readonly run?: string;
  /** What keeps the run from deciding who gets which version: sentences. */
  readonly findings?: readonly string[];
  readonly conditions: readonly Condition[];
}

/** The phase that a state shows as. */
export function phaseOf({ run, waiting }: ReleaseState): Phase {
  if (waiting !== undefined && (run === undefined || run.stage === "done")) return "Waiting";
  if (run === undefined) return "Idle";
  if (run.stage === "done") {
    if (run.outcome === "succeeded") return "Succeeded";
    return run.outcome === "failed" ? "Failed" : "RolledBack";
  }
  if (run.stage === "moving" || run.stage === "running") {
    const waits = run.stage === "running" && run.steps[run.step]?.kind === "pause";
    return waits || run.paused !== undefined ? "Paused" : "Progressing";
  }
  if (run.stage === "blocked") return run.paused === undefined ? "Waiting" : "Paused";
  if (run.stage === "held") return "Held";
  return run.stage === "promoting" ? "Promoting" : "Finalising";
}

/** Everything that `lateen release get` shows. */
export function publicStatusOf(
  state: ReleaseState,
  { spec, now, generation }: { readonly spec: ReleaseSpec; readonly now: number; readonly generation: number },
): PublicStatus {
  const { run, stable } = state;
  const phase = phaseOf(state);
  const common = { phase, conditions: conditionsOf(state, { now, generation }), ...(stable === undefined ? {} : { stable }) };
  if (run === undefined) {
    const verdict = state.waiting ?? "";
    return { ...common, step: 0, steps: 0, weightPercent: 0, proxies: { acknowledged: 0, total: 0 }, verdict, failedRequests: 0 };
  }
  const { stepCandidate, stepStable } = run.evidence;
  const requests = stepCandidate + stepStable;
  const findings = [...unreadyWords(run), ...findingsOf(state).map(({ sentence }) => sentence)];
  const share = requests === 0 ? {} : { sharePercent: Math.round((1000 * stepCandidate) / requests) / 10 };
  return {
    ...common,
    ...share,
    candidate: run.candidate,
    step: Math.min(run.step + 1, run.steps.length),
    steps: run.steps.length,
    weightPercent: publicPercent(run.exposure),
    proxies: run.acknowledged,
    verdict: (run.stage === "done" ? state.waiting : undefined) ?? verdictOf(run, spec),
    failedRequests: run.evidence.failedRequests,
    ...(run.evidence.failedCopies === undefined ? {} : { failedCopies: run.evidence.failedCopies }),
    ...(unitOf(run.evidence) === "connections" ? { unit: "connections" as const } : {}),
    ...(run.rollout === undefined ? {} : { rollout: run.rollout }),
    ...(run.gap === undefined ? {} : { gapMs: run.gap.ms + (run.gap.since === undefined ? 0 : now - run.gap.since) }),
    run: run.id,
    ...(findings.length === 0 ? {} : { findings }),
  };
}

/** A side that has a share and nobody to answer it. */
function unreadyWords(run: Run): readonly string[] {
  if (run.stage !== "running" || run.exposure.byPods) return [];
  const isStable = run.told.includes("StableUnready");
  const isCandidate = !isStable && run.emptySince !== undefined && run.told.includes("CandidateUnready");
  return [...(isStable ? [stableUnreadyWords(run)] : []), ...(isCandidate ? [candidateUnreadyWords(run)] : [])];
}

/** Of a run that is under way. */
function findingsOf({ run }: ReleaseState): readonly RunFinding[] {
  return run === undefined || run.stage === "done" ? [] : (run.findings ?? []);
}

/** Why it is where it is: the reason it stopped for, or what the evidence says. */
function verdictOf(run: Run, spec: ReleaseSpec): string {
  const stops = run.because ?? (run.stage === "blocked" ? run.blockedBy : undefined);
  if (stops !== undefined) return stops;
  if (run.rollout !== undefined && run.stage === "running") return rolloutWords(run, spec);
  const isChosen = run.stage === "running" && !isComparable(run);
  if (isChosen) return limitSentence(run.evidence);
  const kind = run.steps[run.step]?.kind;
  // Also for whoever is asked after it.
  const isCompared = run.stage === "running" && (kind === "compare" || kind === "pause");
  const compared = isCompared ? comparisonWords(run.evidence).map((words) => `${words}; `) : [];
  const verdict = [verdictSentence(run.evidence, judgementNow(run, spec.analysis)), beforeWords(run.evidence) ?? []].flat();
  return `${compared.join("")}${verdict.join("; alone: ")}`;
}

function rolloutWords({ rollout, ...run }: Run, spec: ReleaseSpec): string {
  const pods = rollout === undefined ? "" : podsWords(rollout);
  const hasSeen = run.evidence.stepCandidate > 0 && isComparable(run);
  return hasSeen ? `${pods}; ${verdictSentence(run.evidence, judgementNow(run, spec.analysis))}` : pods;
}

function conditionsOf(
  state: ReleaseState,
  { now, generation }: { readonly now: number; readonly generation: number },
): readonly Condition[] {
  const { run } = state;
  const phase = phaseOf(state);
  const last = run?.decisions.at(-1)?.sentence ?? "";
  const isOver = phase === "Idle" || phase === "Succeeded" || phase === "RolledBack" || phase === "Failed";
  const moves = run?.stage === "moving" || run?.stage === "promoting" || run?.stage === "returning";
  const isStalled = phase === "Held" || phase === "Failed" || (run !== undefined && moves && now - run.stageSince >= stalledAfterMs);
  const condition = (type: Condition["type"], holds: boolean): Condition => ({
    type,
    status: holds ? "True" : "False",
    reason: run?.stage === "returning" ? "Returning" : phase,
    message: last,
    observedGeneration: generation,
  });
  return [
    condition("Ready", isOver && phase !== "Failed"),
    condition("Reconciling", !isOver && !isStalled),
    condition("Stalled", isStalled),
    steered(findingsOf(state), generation),
  ];
}

/** Whether every caller gets the version that the run decides. */
function steered(findings: readonly RunFinding[], observedGeneration: number): Condition {
  const [first] = findings;
  return {
    type: "Steered",
    status: first === undefined ? "True" : "False",
    reason: first === undefined ? "NothingFound" : first.kind,
    message: findings.map(({ sentence }) => sentence).join("; "),
    observedGeneration,
  };
}

/** What the routes should be now: all to `stable`, but what `exposure` gives to `candidate`. Undefined: nothing is known to be stable yet. */
export interface Wish {
  readonly stable: string;
  readonly candidate?: string;
  readonly exposure: Exposure;
  readonly move: number;
}

/** The present wish, for a start after a crash: the same that the last expose action says. */
export function wishOf({ stable, run }: ReleaseState): Wish | undefined {
  if (run !== undefined && (run.stage !== "done" || run.outcome === "succeeded")) {
    return { stable: run.stable, candidate: run.candidate, exposure: run.exposure, move: run.move };
  }
  return stable === undefined ? undefined : { stable, exposure: noExposure, move: run?.move ?? 0 };
}

/** Seconds until there is evidence, if the candidate stays as good as it looks; undefined when none is asked for or it never comes. */
function etaSeconds(run: Run, spec: ReleaseSpec, requestsPerSecond: number): number | undefined {
  const step = run.steps[run.step];
  const index = run.evidence.judge.metrics.findIndex(({ kind }) => kind === "rate");
  const metric = run.evidence.judge.metrics[index];
  const isAsking = step !== undefined && "advance" in step && step.advance === "evidence";
  const share = publicPercent(run.exposure) / 100;
  if (!isAsking || metric?.kind !== "rate" || share <= 0 || share >= 1) return undefined;
  const { candidate, baseline } = metric.harm.mixture;
  const rate = (candidate.events + baseline.events + 0.5) / (candidate.trials + baseline.trials + 100);
  const alpha = spec.analysis.wrongAdvance / Math.max(1, run.steps.filter((one) => "advance" in one && one.advance === "evidence").length);
  const logEvidence = judgementNow(run, spec.analysis).goOn[index] ?? 0;
  const rates = { candidate: rate, baseline: rate };
  return timeToGoOn({ requestsPerSecond, share, settings: metric.goOn.settings, rates, alpha, logEvidence })?.seconds.median;
}

/** Seconds until the present step may go on by itself: its time and its evidence; undefined where that isn't up to them or can't be told. */
export function secondsToGo(
  run: Run,
  spec: ReleaseSpec,
  { requestsPerSecond, now }: { readonly requestsPerSecond: number; readonly now: number },
): number | undefined {
  const isHeld = run.paused !== undefined || run.lowered !== undefined || run.told.includes("MetricProviderDown");
  const step = run.steps[run.step];
  if (run.stage !== "running" || isHeld || step === undefined) return undefined;
  const leastMs = "forMs" in step ? step.forMs : undefined;
  const left = leastMs === undefined ? undefined : Math.max(0, run.stageSince + leastMs - now) / 1000;
  const share = publicPercent(run.exposure);
  const isAsking = "advance" in step && step.advance === "evidence" && share > 0 && share < 100;
  if (!isAsking) return left;
  const evidence = etaSeconds(run, spec, requestsPerSecond);
  return evidence === undefined ? undefined : Math.max(evidence, left ?? 0);
}

/** The run as a ReleaseRun object's body; writing it twice writes the same. `samplesRef` says where its samples are kept. */
export function releaseRunOf(run: Run, place: { readonly release: string; readonly namespace: string; readonly samplesRef: string }) {
  const { release, namespace, samplesRef } = place;
  return {
    apiVersion: "lateen.io/v1alpha1",
    kind: "ReleaseRun",
    metadata: { name: run.id, namespace },
    spec: { release, candidate: run.candidate, stable: run.stable, settings: run.settings },
    status: {
      phase: phaseOf({ rejected: [], lastInput: 0, runs: 0, actions: 0, outbox: [], decidedAt: 0, run }),
      startedAt: new Date(run.startedAt).toISOString(),
      ...(run.endedAt === undefined ? {} : { endedAt: new Date(run.endedAt).toISOString() }),
      plan: run.steps,
      steps: run.history,
      decisions: run.decisions,
      ...(run.outcome === undefined ? {} : { outcome: run.outcome }),
      failedRequests: run.evidence.failedRequests,
      ...(run.gap === undefined ? {} : { gapMs: run.gap.ms }),
      samplesRef,
    },
  };
}
