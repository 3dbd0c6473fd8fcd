// Is a step over? One small function per kind of step: turn -> done, wait, ask a person, or failed; each with the sentence that says why.

import type { PlannedStep, StepKind } from "../api/release/steps.ts";
import { goOnAlpha } from "../stats/go-on.ts";
import { logThreshold } from "../stats/harm.ts";
import { intervalOf } from "../stats/interval.ts";
import { blindAfterMs, hasNoData } from "./guard.ts";
import { isComparable, judgementNow } from "./judging.ts";
import { providerWords } from "./providers.ts";
import { comparisonWords, goOnWords, limitSentence, manyWords, podsWords, timeWords, verdictSentence } from "./sentences.ts";
import { type RunTurn, stepOf } from "./turn.ts";
import { unitOf } from "./unit.ts";

export interface Progress {
  readonly state: "done" | "wait" | "ask" | "failed";
  readonly sentence: string;
}

const wait = (sentence: string): Progress => ({ state: "wait", sentence });
const done = (sentence: string): Progress => ({ state: "done", sentence });

/** Whether the present step is over. */
export function progressOf(turn: RunTurn): Progress {
  const step = stepOf(turn);
  if (step === undefined) return done("no step is left");
  if (turn.run.paused !== undefined) return wait(`paused by ${turn.run.paused.actor}`);
  const progress = holdOf(turn, step) ?? ownProgress(turn, step);
  const elapsed = turn.now - turn.run.stageSince;
  if (progress.state !== "wait" || step.kind === "pause" || elapsed < turn.spec.analysis.timeout) return progress;
  return { state: "ask", sentence: `undecided after ${timeWords(elapsed)}: ${progress.sentence}` };
}

/** Reasons to stay that hold for every kind of step. */
function holdOf(turn: RunTurn, step: PlannedStep): Progress | undefined {
  const { run, spec, now } = turn;
  if (run.lowered !== undefined) return wait(`lowered: ${run.lowered === "blind" ? "no sight of data" : "suspicion"}`);
  if (step.kind === "pause" || step.kind === "preview") return undefined;
  if (now - run.evidence.sampleAt >= blindAfterMs) return wait("no samples just now");
  const words = providerWords(turn.observed);
  if (words !== undefined) return wait(words);
  const judgement = judgementNow(run, spec.analysis);
  return judgement.verdict === "suspicion" ? wait(verdictSentence(run.evidence, judgement)) : undefined;
}

type OfKind<K extends StepKind> = Extract<PlannedStep, { kind: K }>;

function ownProgress(turn: RunTurn, step: PlannedStep): Progress {
  switch (step.kind) {
    case "setWeight":
    case "setPercent":
      return judged(turn, step);
    case "ring":
      return step.match === undefined ? judged(turn, step) : byClock(turn, step.forMs);
    case "switch":
      return afterTime(turn, step.forMs);
    case "pause":
      return step.forMs === undefined ? wait("waiting for a person") : afterTime(turn, step.forMs);
    case "match":
    case "mirror":
    case "flag":
      return byClock(turn, step.forMs);
    case "preview":
      return checked(turn, step);
    case "compare":
      return compared(turn, step);
    case "rollout":
      return rolledOut(turn);
  }
}

function afterTime({ run, now }: RunTurn, forMs: number): Progress {
  const left = run.stageSince + forMs - now;
  return left > 0 ? wait(`${timeWords(left)} left`) : done(`${timeWords(forMs)} are over`);
}

/** By the clock, but never silently without a request. */
function byClock(turn: RunTurn, forMs: number): Progress {
  const time = afterTime(turn, forMs);
  if (time.state === "wait") return time;
  const { stepCandidate } = turn.run.evidence;
  const passes = turn.spec.analysis.noData === "pass" && hasNoData(turn);
  if (passes) return done(`no ${unitOf(turn.run.evidence)} came; noData is pass`);
  if (stepCandidate === 0 || hasNoData(turn)) return wait(`no ${unitOf(turn.run.evidence)} reach ${turn.run.candidate}`);
  const { run, spec } = turn;
  const seen = isComparable(run) ? verdictSentence(run.evidence, judgementNow(run, spec.analysis)) : limitSentence(run.evidence);
  return done(`${time.sentence}, ${seen}`);
}

function judged(turn: RunTurn, { advance, forMs }: { readonly advance: "evidence" | "clock"; readonly forMs: number }): Progress {
  const clock = byClock(turn, forMs);
  // With everybody on the candidate nobody is left to compare with.
  if (clock.state === "wait" || advance === "clock" || turn.run.exposure.weightPercent >= 100) return clock;
  if (turn.spec.analysis.noData === "pass" && hasNoData(turn)) return clock;
  const { run, spec } = turn;
  const judgement = judgementNow(run, spec.analysis);
  if (judgement.verdict === "withinMargin") return done(verdictSentence(run.evidence, judgement));
  const asking = run.steps.filter((step) => "advance" in step && step.advance === "evidence").length;
  return wait(goOnWords(run.evidence, judgement, logThreshold(goOnAlpha(asking, spec.analysis.wrongAdvance))));
}

function checked({ run, now, observed }: RunTurn, step: OfKind<"preview">): Progress {
  if (step.checks.length === 0) return done(`${step.host} is open`);
  const results = run.stepAction === undefined ? undefined : observed.checks[run.stepAction];
  const bad = results?.find(({ ok }) => !ok);
  if (bad !== undefined) return { state: "failed", sentence: `check ${bad.name} of ${step.host} failed: ${bad.detail}` };
  if (results !== undefined && step.checks.every(({ name }) => results.some((result) => result.name === name))) {
    return done(`${manyWords(step.checks.length, "check")} of ${step.host} passed`);
  }
  if (now - run.stageSince < step.timeoutMs) return wait(`checks of ${step.host} run`);
  return { state: "failed", sentence: `checks of ${step.host} gave no result in ${timeWords(step.timeoutMs)}` };
}

/** Decided once every variant's interval of the first metric leaves 0 out; otherwise when its time is over. */
function compared(turn: RunTurn, step: OfKind<"compare">): Progress {
  const { evidence } = turn.run;
  const first = evidence.comparisons[0]?.metric;
  const main = evidence.comparisons.filter(({ metric }) => metric === first);
  const isDecided = ({ low, high }: { readonly low: number | undefined; readonly high: number | undefined }) =>
    (low !== undefined && low > 0) || (high !== undefined && high < 0);
  const words = comparisonWords(evidence).join("; ");
  if (main.length > 0 && main.every(({ state }) => isDecided(intervalOf(state)))) return done(`decided: ${words}`);
  if (step.forMs === undefined) return wait(`undecided: ${words}`);
  const clock = byClock(turn, step.forMs);
  return clock.state === "wait" ? clock : done(`time is over: ${words}`);
}

function rolledOut({ observed: { rollout }, run }: RunTurn): Progress {
  if (rollout === undefined || rollout.direction !== "forward") return wait("the Deployment hasn't begun");
  if (rollout.failed !== undefined) return { state: "failed", sentence: `the Deployment can't go on: ${rollout.failed}` };
  const pods = podsWords(rollout);
  if (rollout.total === 0 || rollout.updatedReady < rollout.total) return wait(pods);
  const gapMs = rollout.gapMs ?? run.gap?.ms;
  return done(gapMs === undefined || gapMs === 0 ? pods : `${pods}; nobody answered for ${timeWords(gapMs)}`);
}
