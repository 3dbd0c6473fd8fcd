// Going on: into the next step, or to promotion after the last. What grows is refused, with the reason, in a freeze window and onto an empty subset.

import type { PlannedStep } from "../api/release/steps.ts";
import { startNextStep } from "../stats/judge.ts";
import { type Exposure, everyone, exposureAt, noExposure, publicPercent, sameExposure } from "./exposure.ts";
import { comparisonsOf } from "./judging.ts";
import {
  act,
  decided,
  decidedOnce,
  enter,
  expose,
  lastActionId,
  type RunTurn,
  readyPods,
  stepWords,
  withEvidence,
  withRun,
} from "./turn.ts";
import { freezeAt } from "./windows.ts";

/** The run in step `index` (promotion when there is none), or blocked before it. */
export function enterStep(turn: RunTurn, index: number): RunTurn {
  const exposure = exposureOf(turn, index);
  const reason = staysAsItIs(turn, index) ? undefined : refusal(turn, index);
  if (reason !== undefined) return blocked(turn, index, reason);
  const cleared = withRun(turn, { step: index, lowered: undefined, override: undefined, paused: undefined, forced: false, told: [] });
  const before = withRun(cleared, { blockedBy: undefined, stepAction: undefined, emptySince: undefined });
  const step = turn.run.steps[index];
  if (step === undefined) {
    const told = decided(before, { what: "Promoting", sentence: `all steps are done; ${turn.run.candidate} gets everybody` });
    return enter(expose(told, exposure), "promoting");
  }
  const evidence = withEvidence(before, {
    judge: "advance" in step ? startNextStep(before.run.evidence.judge) : before.run.evidence.judge,
    comparisons: step.kind === "compare" ? comparisonsOf(step, before.run.evidence) : before.run.evidence.comparisons,
    stepCandidate: 0,
    stepStable: 0,
    trafficAt: turn.now,
  });
  const entered = withRun(evidence, { history: [...evidence.run.history, { index, from: turn.now }] });
  const told = decided(entered, { what: "StepEntered", sentence: `${turn.run.candidate} enters ${stepWords(turn, index, exposure)}` });
  return enter(expose(told, exposure), "moving");
}

function exposureOf(turn: RunTurn, index: number): Exposure {
  if (index < turn.run.steps.length) return exposureAt(turn.run.steps, index);
  // What the Deployment has moved pod by pod needs no weights.
  return turn.run.exposure.byPods ? turn.run.exposure : everyone;
}

function staysAsItIs(turn: RunTurn, index: number): boolean {
  return index > 0 && sameExposure(exposureOf(turn, index), turn.run.exposure);
}

/** Whether a step is entered only with a ready pod of the candidate: it exposes more, and not by the Deployment's own update. */
export function needsPods(turn: RunTurn, index: number): boolean {
  return !staysAsItIs(turn, index) && turn.run.steps[index]?.kind !== "rollout" && !turn.run.exposure.byPods;
}

/** Why more can't be exposed now. */
function refusal(turn: RunTurn, index: number): string | undefined {
  const freeze = turn.run.forced ? undefined : freezeAt(turn.spec.windows, turn.now);
  if (freeze !== undefined) return `freeze window "${freeze.cron}" until ${new Date(freeze.until).toISOString()}`;
  return !needsPods(turn, index) || readyPods(turn, turn.run.candidate) > 0 ? undefined : `${turn.run.candidate} has no ready pod`;
}

function blocked(turn: RunTurn, index: number, reason: string): RunTurn {
  const already = turn.run.stage === "blocked" && turn.run.next === index;
  if (already && turn.run.blockedBy === reason) return turn;
  const waiting = withRun(already ? turn : enter(turn, "blocked"), { next: index, blockedBy: reason });
  const where = index < turn.run.steps.length ? `step ${index + 1}` : "promotion";
  return decidedOnce(waiting, { what: "Blocked", sentence: `${where} is refused for now: ${reason}` });
}

/** Every proxy has the move: the step's time begins, and what it needs besides traffic. */
export function startRunning(turn: RunTurn): RunTurn {
  const history = turn.run.history.map((entry, index, all) =>
    index === all.length - 1 && entry.acknowledgedAt === undefined ? { ...entry, acknowledgedAt: turn.now } : entry,
  );
  const running = withEvidence(enter(withRun(turn, { history }), "running"), { trafficAt: turn.now });
  const step = turn.run.steps[turn.run.step];
  if (turn.run.stepAction !== undefined) return running;
  if (step?.kind === "preview" && step.checks.length > 0) {
    const asked = act(running, { type: "check", host: step.host, checks: step.checks });
    return withRun(asked, { stepAction: lastActionId(asked) });
  }
  if (step?.kind !== "rollout") return running;
  const asked = act(running, { type: "rollout", kind: step.type, direction: "forward" });
  return withRun(asked, { stepAction: lastActionId(asked) });
}

/** What the step allows now: less while there is suspicion or no sight, other than planned where a person said so. */
export function aimOf({ run }: RunTurn): Exposure {
  const planned = exposureAt(run.steps, run.step);
  if (run.lowered !== undefined) return loweredExposure(run.steps, { index: run.step, because: run.lowered });
  if (run.override === undefined) return planned;
  // A share of users stays one.
  const isOfUsers = planned.usersPercent > planned.weightPercent;
  return isOfUsers ? { ...planned, usersPercent: run.override } : { ...planned, weightPercent: run.override };
}

interface Lowering {
  readonly index: number;
  readonly because: "suspicion" | "blind" | "failure";
}

/**
 * The last exposure before that gave less to the public. Where that was nothing, suspicion halves the share instead: without any request it could
 * never be cleared, nor proven. Chosen people stay, as far as the earlier step had them; a step for them alone is only held.
 */
export function loweredExposure(steps: readonly PlannedStep[], { index, because }: Lowering): Exposure {
  const now = exposureAt(steps, index);
  const share = publicPercent(now);
  const earlier = steps.slice(0, index).map((_, before) => exposureAt(steps, before));
  const less = earlier.findLast((exposure) => publicPercent(exposure) < share) ?? noExposure;
  if (because !== "suspicion") return share > 0 ? less : (earlier.findLast((exposure) => !sameExposure(exposure, now)) ?? noExposure);
  if (share === 0 || publicPercent(less) > 0) return share === 0 ? now : less;
  const halved = (percent: number) => Math.floor(50 * percent) / 100;
  return { ...now, weightPercent: halved(now.weightPercent), usersPercent: halved(now.usersPercent) };
}
