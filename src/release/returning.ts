// Going back: routes first, acknowledged, then drain, then scale down; in steps when the stable side is too small for the returning traffic.

import { type Exposure, noExposure, publicPercent, sameExposure } from "./exposure.ts";
import type { DecisionEntry, Outcome } from "./state.ts";
import {
  acknowledgedWords,
  act,
  decided,
  decidedOnce,
  enter,
  expose,
  isAcknowledged,
  lastActionId,
  type RunTurn,
  readyPods,
  type Turn,
  versionOf,
  withRun,
  withState,
} from "./turn.ts";

/** Pods are taken to be sized so that each can bear a quarter more than its part. */
const headroom = 1.25;
/** So long the rest waits for the stable side to grow; then it goes back all the same, as long as a pod is ready. */
const capacityPatienceMs = 120_000;

type Reason = Pick<DecisionEntry, "what" | "sentence"> & Partial<Pick<DecisionEntry, "actor" | "reason">>;

/** The run on its way back, for this outcome. */
export function startReturn(turn: RunTurn, outcome: Outcome, reason: Reason): RunTurn {
  const told = withRun(decided(turn, reason), {
    outcome,
    because: reason.sentence,
    paused: undefined,
    lowered: undefined,
    override: undefined,
    told: [],
  });
  const entered = enter(told, "returning");
  // The Deployment doesn't ask whether a step was entered.
  const isOnItsWay = turn.run.steps.some(({ kind }) => kind === "rollout") && versionOf(turn, turn.run.candidate)?.deployed === true;
  if (!entered.run.exposure.byPods && !isOnItsWay) return entered;
  const back = withRun(entered, { exposure: { ...noExposure, byPods: true }, reached: true });
  const step = back.run.steps.find(({ kind }) => kind === "rollout");
  const asked = act(back, { type: "rollout", kind: step?.kind === "rollout" ? step.type : "rolling", direction: "undo" });
  return withRun(asked, { stepAction: lastActionId(asked) });
}

/** Lowers what is left as far as the stable side can bear it; drains once nobody is left and every proxy knows. */
export function advanceReturn(turn: RunTurn): RunTurn {
  if (turn.run.exposure.byPods) return undoneByPods(turn);
  if (sameExposure(turn.run.exposure, noExposure)) return isAcknowledged(turn) ? drained(turn) : turn;
  const ready = readyPods(turn, turn.run.stable);
  if (ready === 0) {
    const sentence = `${turn.run.stable} has no ready pod, so nothing can go back to it; ${turn.run.candidate} keeps its traffic until it has`;
    return decidedOnce(grown(turn), { what: "ReturnRefused", sentence });
  }
  const target = returnTarget(turn, ready);
  if (sameExposure(target, turn.run.exposure)) return grown(turn);
  if (sameExposure(target, noExposure)) return expose(turn, target);
  const sentence = `${ready} of ${turn.run.fullPods} pods of ${turn.run.stable} are ready: ${turn.run.candidate} keeps ${target.weightPercent} % until there are more`;
  return expose(decidedOnce(grown(turn), { what: "SteppedReturn", sentence }), target);
}

/** The users are back; what follows is only tidying up. */
function drained(turn: RunTurn): RunTurn {
  const { candidate, stable, reached } = turn.run;
  const sentence = `${stable} ${reached === true ? "has all traffic again" : "still has all traffic"}, ${acknowledgedWords(turn)} know it; open connections to ${candidate} may end`;
  return enter(decided(turn, { what: "TrafficBack", sentence }), "draining");
}

function returnTarget({ run, now }: RunTurn, ready: number): Exposure {
  const bearable = Math.min(1, (headroom * ready) / Math.max(1, run.fullPods));
  const rest = Math.floor(10_000 * (1 - bearable)) / 100;
  if (rest <= 0 || now - run.stageSince >= capacityPatienceMs) return noExposure;
  const percent = Math.min(publicPercent(run.exposure), rest);
  return percent === 0 ? noExposure : { ...noExposure, weightPercent: percent };
}

/** Asks once for the stable side's pods, where the engine may. */
function grown(turn: RunTurn): RunTurn {
  const { stable, fullPods, stepAction } = turn.run;
  const asked = `scale ${stable}`;
  if (stepAction === asked || versionOf(turn, stable)?.scaleManaged !== true) return turn;
  return withRun(act(turn, { type: "scale", version: stable, replicas: Math.max(1, fullPods) }), { stepAction: asked });
}

function undoneByPods(turn: RunTurn): RunTurn {
  const { rollout, versions } = turn.observed;
  const { candidate, stable } = turn.run;
  // Somebody gave the Deployment a third template meanwhile: nothing is left to undo.
  if (versions.some(({ name, deployed }) => deployed === true && name !== candidate && name !== stable)) return expose(turn, noExposure);
  if (rollout?.direction !== "undo" || rollout.total === 0 || rollout.updatedReady < rollout.total) return turn;
  return expose(turn, noExposure);
}

/** Connections end by themselves; then the version's pods may go, and the run is over. */
export function advanceDrain(turn: RunTurn): RunTurn {
  if (turn.now - turn.run.stageSince < turn.spec.drain) return turn;
  const { candidate, stable, outcome = "rolledBack" } = turn.run;
  const keepsPods = outcome === "retried" || versionOf(turn, candidate)?.scaleManaged !== true;
  const scaled = keepsPods ? turn : act(turn, { type: "scale", version: candidate, replicas: 0 });
  const alone = turn.run.reached === true ? `${stable} is alone again` : `the run is over, ${stable} was alone all the time`;
  const sentence = `${alone}: ${turn.run.because ?? outcome}`;
  const what = { superseded: "Superseded", retried: "Retrying", failed: "Failed", undone: "Undone", aborted: "Aborted" };
  const isNamed = outcome !== "succeeded" && outcome !== "rolledBack";
  const told = decided(scaled, { what: isNamed ? what[outcome] : "RolledBack", sentence });
  return ended(told, { stable, isRejected: outcome !== "retried" && outcome !== "superseded" });
}

/** The run is over: who is stable, and whether the candidate stays out. */
export function ended(turn: RunTurn, { stable, isRejected }: { readonly stable: string; readonly isRejected: boolean }): RunTurn {
  const done = withRun(enter(turn, "done"), { endedAt: turn.now });
  const others = turn.state.rejected.filter((name) => name !== turn.run.candidate);
  const known = others.filter((name) => versionOf(turn, name) !== undefined);
  const next: Turn = withState(done, { stable, rejected: isRejected ? [...known, turn.run.candidate] : known });
  return { ...done, state: next.state };
}
