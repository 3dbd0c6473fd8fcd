// What may stop a run at any second: proven harm, a crossed limit, no pods. What only holds or lowers it: suspicion, no data, no sight of data.
// Bad, no data and provider down are three things; the last two never roll back by themselves (noData: fail is the user's word for it).

import type { Judgement } from "../stats/judge.ts";
import { logSuspicion } from "../stats/verdict.ts";
import { beforeWords, isWorseThanBefore } from "./before.ts";
import { aimOf, loweredExposure } from "./enter-step.ts";
import { exposureAt, publicPercent, sameExposure } from "./exposure.ts";
import { areSharesWrong, crossedLimit, judgementNow } from "./judging.ts";
import { tellProviders } from "./providers.ts";
import { startReturn } from "./returning.ts";
import { candidateUnreadyWords, countWords, percentWords, stableUnreadyWords, timeWords, verdictSentence } from "./sentences.ts";
import { decided, decidedOnce, enter, expose, type RunTurn, readyPods, stepOf, untold, withRun } from "./turn.ts";
import { metricName, unitOf } from "./unit.ts";

const guardedStages: ReadonlySet<string> = new Set(["blocked", "moving", "running", "promoting", "warm"]);

/** Steps that are about live requests: without any they can't end. */
const needsTraffic: ReadonlySet<string> = new Set(["setWeight", "setPercent", "ring", "match", "mirror", "compare", "flag"]);

/** A run has no sight of data when no sample came for so long; shorter gaps are hiccups. */
export const blindAfterMs = 5000;

/** The turn after all guards. */
export function guard(turn: RunTurn): RunTurn {
  if (!guardedStages.has(turn.run.stage)) return turn;
  const limit = crossedLimit(turn.run.evidence);
  if (limit !== undefined) {
    const { candidate } = limit.state;
    const sentence = `${metricName(limit.name, turn.run.evidence)} ${percentWords(candidate.events / candidate.trials)} of ${countWords(candidate.trials)}, above the limit of ${percentWords(limit.state.max)}`;
    return failed(turn, { what: "LimitCrossed", sentence });
  }
  const judgement = judgementNow(turn.run, turn.spec.analysis);
  if (judgement.verdict === "harm") return failed(turn, { what: "HarmFound", sentence: verdictSentence(turn.run.evidence, judgement) });
  const sentence = isWorseThanBefore(turn.run.evidence) ? beforeWords(turn.run.evidence) : undefined;
  if (sentence !== undefined) return failed(turn, { what: "HarmFound", sentence });
  const emptied = tellPods(guardPods(turn));
  if (emptied.run.stage === "returning" || turn.run.stage === "warm") return emptied;
  const lowered = guardExposure(tellProviders(emptied), judgement);
  return lowered.run.stage === "running" ? guardData(lowered) : lowered;
}

/** What the user wants to happen when a version fails. */
export function failed(turn: RunTurn, { what, sentence }: { readonly what: string; readonly sentence: string }): RunTurn {
  const policy = turn.run.stage === "warm" ? "rollback" : turn.spec.onFailure;
  if (policy === "rollback") return startReturn(turn, "rolledBack", { what, sentence });
  const told = withRun(decided(turn, { what, sentence }), { because: sentence });
  if (policy === "freeze" || turn.run.exposure.byPods) return enter(told, "held");
  return enter(expose(told, loweredExposure(turn.run.steps, { index: turn.run.step, because: "failure" })), "held");
}

/** A candidate without a ready pod answers nobody; after a time that is a failure, not bad luck. */
function guardPods(turn: RunTurn): RunTurn {
  const { run, now, spec } = turn;
  const isRollout = stepOf(turn)?.kind === "rollout" || run.exposure.byPods;
  const waitsForWindow = run.stage === "blocked" && readyPods(turn, run.candidate) > 0;
  if (isRollout || waitsForWindow || readyPods(turn, run.candidate) > 0) {
    return run.emptySince === undefined ? turn : withRun(turn, { emptySince: undefined });
  }
  if (run.emptySince === undefined) return withRun(turn, { emptySince: now });
  if (now - run.emptySince < spec.readyTimeout) return turn;
  const sentence = `${run.candidate} has had no ready pod for ${timeWords(now - run.emptySince)}`;
  return startReturn(turn, "failed", { what: "NoPods", sentence });
}

/** A side without a ready pod gets nothing, whatever the step says: the other one has everything, which nobody should find out by themselves. */
function tellPods(turn: RunTurn): RunTurn {
  const { run, spec } = turn;
  const { candidate, stable } = run;
  const share = publicPercent(run.exposure);
  if (run.stage !== "running" || run.exposure.byPods || share === 0 || share >= 100) return turn;
  if (readyPods(turn, stable) === 0) {
    const isNobody = readyPods(turn, candidate) === 0;
    return decidedOnce(turn, { what: "StableUnready", sentence: stableUnreadyWords(run, isNobody ? "nobody answers" : undefined) });
  }
  const back = run.told.includes("StableUnready") ? untold(turn, "StableUnready") : turn;
  if (readyPods(turn, candidate) > 0) return back;
  const sentence = `${candidateUnreadyWords(run)}; after ${timeWords(spec.readyTimeout)} of that the run fails`;
  return decidedOnce(back, { what: "CandidateUnready", sentence });
}

/** Lowers the exposure on suspicion (where wished) and without sight, and restores it. */
function guardExposure(turn: RunTurn, judgement: Judgement): RunTurn {
  const { run, spec, now } = turn;
  if (run.step < 0 || run.exposure.byPods || run.stage === "promoting") return turn;
  const calm = logSuspicion(run.evidence.judge.alpha) / 2;
  const isSuspicious = judgement.verdict === "suspicion" || (run.lowered === "suspicion" && judgement.logEvidence > calm);
  const isAboutTraffic = needsTraffic.has(stepOf(turn)?.kind ?? "") || publicPercent(exposureAt(run.steps, run.step)) > 0;
  const isBlind = isAboutTraffic && now - run.evidence.sampleAt >= spec.analysis.patience;
  const lowered = isBlind ? ("blind" as const) : isSuspicious && canLower(turn) ? ("suspicion" as const) : undefined;
  const told = tellHolds(turn, { isBlind, isSuspicious, judgement });
  if (lowered === run.lowered) return told;
  const next = withRun(told, { lowered });
  const aim = aimOf(next);
  if (sameExposure(aim, run.exposure)) return next;
  const moved = expose(next, aim);
  return run.stage === "blocked" ? moved : enter(moved, "moving");
}

/** Where nothing public is exposed, suspicion can only hold. */
function canLower({ run, spec }: RunTurn): boolean {
  return spec.analysis.onSuspicion === "lower" && publicPercent(exposureAt(run.steps, run.step)) > 0;
}

interface Holds {
  readonly isBlind: boolean;
  readonly isSuspicious: boolean;
  readonly judgement: Judgement;
}

function tellHolds(turn: RunTurn, { isBlind, isSuspicious, judgement }: Holds): RunTurn {
  const { run, now } = turn;
  if (isBlind) {
    if (run.lowered === "blind") return turn;
    const sentence = `no samples for ${timeWords(now - run.evidence.sampleAt)}: the source of data is down, which says nothing of ${run.candidate}; it gets less until it is back`;
    return decidedOnce(turn, { what: "ProviderDown", sentence });
  }
  if (run.lowered === "blind")
    return decided(untold(turn, "ProviderDown"), { what: "ProviderBack", sentence: "samples come again; the step begins anew" });
  if (isSuspicious) {
    const does = canLower(turn) ? "lowering" : "holding";
    return decidedOnce(turn, { what: "Suspicion", sentence: `${does}: ${verdictSentence(run.evidence, judgement)}` });
  }
  if (!run.told.includes("Suspicion")) return turn;
  return decided(untold(turn, "Suspicion"), { what: "SuspicionOver", sentence: verdictSentence(run.evidence, judgement) });
}

/** Requests that don't arrive as configured are told: callers without a sidecar can't be steered. It stops nothing. */
function tellShares(turn: RunTurn): RunTurn {
  const { evidence, exposure, candidate, decisions, step } = turn.run;
  if (!areSharesWrong(evidence)) return turn;
  // A side that had no ready pod is reason enough, and was told.
  if (decisions.some((one) => one.step === step && (one.what === "StableUnready" || one.what === "CandidateUnready"))) return turn;
  const requests = evidence.stepCandidate + evidence.stepStable;
  const share = percentWords(evidence.stepCandidate / Math.max(1, requests));
  const sentence = `${candidate} gets ${share} of ${countWords(requests)} ${unitOf(evidence)}, not ${exposure.weightPercent} %: some callers can't be steered, or keep old connections`;
  return decidedOnce(turn, { what: "SharesDiffer", sentence });
}

function guardData(before: RunTurn): RunTurn {
  const turn = tellShares(before);
  const { run, spec } = turn;
  if (!hasNoData(turn) || spec.analysis.noData === "pass") return turn;
  const silent = timeWords(turn.now - run.evidence.trafficAt);
  const sentence = `no ${unitOf(run.evidence)} reached ${run.candidate} for ${silent}: no data, which is neither good nor bad`;
  if (spec.analysis.noData === "fail") return failed(turn, { what: "NoData", sentence: `${sentence}; noData is fail` });
  return decidedOnce(turn, { what: "NoData", sentence: `${sentence}; waiting` });
}

/** The source of data works, the step is about requests, and none came for the patience. */
export function hasNoData(turn: RunTurn): boolean {
  const { run, spec, now } = turn;
  const isSighted = now - run.evidence.sampleAt < blindAfterMs;
  return isSighted && needsTraffic.has(stepOf(turn)?.kind ?? "") && now - run.evidence.trafficAt >= spec.analysis.patience;
}
