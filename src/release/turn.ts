// One decision in the making: the spec, what was seen, the time, and the state so far. Small functions turn -> turn; nothing is changed in place.

import type { ReleaseSpec } from "../api/release/release.ts";
import type { PlannedStep } from "../api/release/steps.ts";
import { type NewAction, withAction } from "./actions.ts";
import { type Exposure, exposureWords, reachesUsers, sameExposure } from "./exposure.ts";
import type { Observation, ObservedVersion } from "./observation.ts";
import type { DecisionEntry, Evidence, ReleaseState, Run, Stage } from "./state.ts";
import { unitOf } from "./unit.ts";

export interface Turn {
  readonly spec: ReleaseSpec;
  readonly observed: Observation;
  /** Milliseconds. */
  readonly now: number;
  readonly state: ReleaseState;
}

/** A turn in which there is a run. */
export interface RunTurn extends Turn {
  readonly run: Run;
}

/** Decisions that a run keeps: its object stays far below 1 MB. */
const mostDecisions = 1000;

/** The turn with another state. */
export function withState(turn: Turn, patch: Partial<ReleaseState>): Turn {
  return { ...turn, state: { ...turn.state, ...patch } };
}

/** The turn with its run changed. */
export function withRun(turn: RunTurn, patch: Partial<Run>): RunTurn {
  const run = { ...turn.run, ...patch };
  return { ...turn, run, state: { ...turn.state, run } };
}

export function withEvidence(turn: RunTurn, patch: Partial<Evidence>): RunTurn {
  return withRun(turn, { evidence: { ...turn.run.evidence, ...patch } });
}

/** Enters a stage now. A step that runs counts its requests from here on: before, not every proxy had it. */
export function enter(turn: RunTurn, stage: Stage): RunTurn {
  const entered = withRun(turn, { stage, stageSince: turn.now });
  return stage === "running" ? withEvidence(entered, { stepCandidate: 0, stepStable: 0 }) : entered;
}

/** The run's turn, if there is a run. */
export function runTurnOf(turn: Turn): RunTurn | undefined {
  return turn.state.run === undefined ? undefined : { ...turn, run: turn.state.run };
}

/** Puts an action into the outbox; its id is the run's name for it, the same after any crash. */
export function act(turn: RunTurn, action: NewAction): RunTurn {
  const number = turn.state.actions + 1;
  const outbox = withAction(turn.state.outbox, { ...action, id: `${turn.run.id}/${number}` });
  return { ...turn, state: { ...turn.state, actions: number, outbox, run: turn.run } };
}

/** Id of the action put in last. */
export function lastActionId(turn: RunTurn): string {
  return `${turn.run.id}/${turn.state.actions}`;
}

type NewEntry = Pick<DecisionEntry, "what" | "sentence"> & Partial<Pick<DecisionEntry, "actor" | "reason">>;

/** Records a decision and tells it. */
export function decided(turn: RunTurn, { what, sentence, actor = "engine", reason }: NewEntry): RunTurn {
  const plain = { time: turn.now, actor, what, sentence, step: turn.run.step };
  const entry = reason === undefined || reason === "" ? plain : { ...plain, reason };
  const decisions = [...turn.run.decisions, entry];
  // What began a run is worth more than what repeated in its middle.
  const kept = decisions.length <= mostDecisions ? decisions : [...decisions.slice(0, 50), ...decisions.slice(51)];
  return act(withRun(turn, { decisions: kept, told: [...turn.run.told.filter((one) => one !== what), what] }), {
    type: "event",
    reason: what,
    message: sentence,
  });
}

/** As `decided`, but a state that lasts is told once in a step. */
export function decidedOnce(turn: RunTurn, entry: NewEntry): RunTurn {
  return turn.run.told.includes(entry.what) ? turn : decided(turn, entry);
}

/** Forgets that it was told, so that it can be told again. */
export function untold(turn: RunTurn, what: string): RunTurn {
  return withRun(turn, { told: turn.run.told.filter((one) => one !== what) });
}

/** Makes it the exposure: a new move, which all proxies are to acknowledge. Nothing when it is the exposure already. */
export function expose(turn: RunTurn, exposure: Exposure): RunTurn {
  if (sameExposure(turn.run.exposure, exposure)) return turn;
  const move = turn.run.move + 1;
  // Shares are measured of one exposure: what came under another one would only blur them.
  const measured = withEvidence(turn, { stepCandidate: 0, stepStable: 0 });
  const reached = turn.run.reached === true || reachesUsers(exposure);
  const moved = withRun(measured, { exposure, move, acknowledged: { acknowledged: 0, total: 0 }, ...(reached ? { reached } : {}) });
  return act(moved, { type: "expose", move, stable: turn.run.stable, candidate: turn.run.candidate, exposure });
}

/** Whether every affected proxy has the last move. Nobody affected counts as everybody, once the move was carried out. 0: there never was one. */
export function isAcknowledged({ run, observed: { acknowledged } }: RunTurn): boolean {
  if (run.move === 0) return true;
  return acknowledged !== undefined && acknowledged.move === run.move && acknowledged.acknowledged >= acknowledged.total;
}

/** "12 of 14 proxies" */
export function acknowledgedWords({ run }: RunTurn): string {
  return `${run.acknowledged.acknowledged} of ${run.acknowledged.total} proxies`;
}

export function versionOf({ observed }: Turn, name: string): ObservedVersion | undefined {
  return observed.versions.find((version) => version.name === name);
}

/** Ready pods of a version; 0 when it isn't there. */
export function readyPods(turn: Turn, name: string): number {
  return versionOf(turn, name)?.readyPods ?? 0;
}

export function stepOf({ run }: RunTurn): PlannedStep | undefined {
  return run.steps[run.step];
}

/** "step 3 of 5 (10 % of requests)" */
export function stepWords(turn: RunTurn, index: number, exposure: Exposure): string {
  return `step ${index + 1} of ${turn.run.steps.length} (${exposureWords(exposure, unitOf(turn.run.evidence))})`;
}
