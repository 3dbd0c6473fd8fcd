// One decision of one release: what the user wants, what was decided so far, what was seen, the time -> the new state, and what is to be done.
// Pure. Store the state first, then carry out the actions: after a crash the same call makes the same wishes, and nothing is decided twice.

import type { ReleaseSpec } from "../api/release/release.ts";
import { stepsOf } from "../api/release/steps.ts";
import type { Action } from "./actions.ts";
import { enterStep, startRunning } from "./enter-step.ts";
import { noExposure } from "./exposure.ts";
import { withFindings } from "./findings.ts";
import { failed, guard } from "./guard.ts";
import { watched } from "./in-place.ts";
import { handleInputs } from "./inputs.ts";
import { observeSeconds, startEvidence } from "./judging.ts";
import type { Observation, ObservedVersion } from "./observation.ts";
import { progressOf } from "./progress.ts";
import { advanceDrain, advanceReturn, ended, startReturn } from "./returning.ts";
import { manyWords, timeWords } from "./sentences.ts";
import type { ReleaseState, Run } from "./state.ts";
import {
  acknowledgedWords,
  act,
  decided,
  decidedOnce,
  enter,
  isAcknowledged,
  type RunTurn,
  readyPods,
  runTurnOf,
  type Turn,
  versionOf,
  withEvidence,
  withRun,
  withState,
} from "./turn.ts";
import { freezeAt } from "./windows.ts";

export interface DecideInput {
  /** Name of the Release: runs and actions are called after it. */
  readonly name: string;
  readonly spec: ReleaseSpec;
  /** The last decision's; `firstState` at first. */
  readonly status: ReleaseState;
  readonly observed: Observation;
  /** Milliseconds. */
  readonly now: number;
}

export interface Decision {
  readonly status: ReleaseState;
  /** Everything that isn't known to be done yet, oldest first; doing one twice changes nothing. */
  readonly actions: readonly Action[];
}

/** A decision passes through so many stages at most: enough for a release whose steps all end at once, and an end in any case. */
const mostStages = 64;
/** A move that isn't acknowledged by then is told as stalled. */
export const stalledAfterMs = 60_000;
/** The engine slept, not the source of data, when its last decision is so long ago. */
const sleptAfterMs = 10_000;

/** The next decision. */
export function decide({ name, spec, status, observed, now }: DecideInput): Decision {
  const outbox = status.outbox.filter(({ id }) => !observed.done.includes(id));
  const first: Turn = { spec, observed, now, state: outbox.length === status.outbox.length ? status : { ...status, outbox } };
  const seen = watched(acknowledged(judgedSamples(awake(first))));
  let turn = superseded(handleInputs(seen));
  for (let stages = 0; stages < mostStages; stages += 1) {
    const before = turn.state;
    // An end is a decision of its own, so that the run's record has it before the next run begins.
    if (isEndOf(status, before)) break;
    turn = advance(turn, name);
    if (turn.state === before) break;
  }
  const state = withState(turn, { decidedAt: now }).state;
  return { status: state, actions: state.outbox };
}

function isEndOf({ run: then }: ReleaseState, { run: now }: ReleaseState): boolean {
  return then !== undefined && then.stage !== "done" && now?.stage === "done";
}

/** Time in which no decision was made isn't time without data. */
function awake(turn: Turn): Turn {
  const run = runTurnOf(turn);
  const slept = turn.now - turn.state.decidedAt;
  if (run === undefined || turn.state.decidedAt === 0 || slept < sleptAfterMs) return turn;
  const { sampleAt, trafficAt } = run.run.evidence;
  return withEvidence(run, { sampleAt: Math.min(turn.now, sampleAt + slept), trafficAt: Math.min(turn.now, trafficAt + slept) });
}

function judgedSamples(turn: Turn): Turn {
  const run = runTurnOf(turn);
  if (run === undefined || run.run.stage === "done" || turn.observed.samples.length === 0) return turn;
  const evidence = observeSeconds(run.run, turn.observed.samples, turn.now);
  return evidence === run.run.evidence ? turn : withRun(run, { evidence });
}

function acknowledged(turn: Turn): Turn {
  const run = runTurnOf(turn);
  const seen = turn.observed.acknowledged;
  if (run === undefined || seen === undefined || seen.move !== run.run.move) return turn;
  const { acknowledged: known, total } = run.run.acknowledged;
  if (known === seen.acknowledged && total === seen.total) return turn;
  return withRun(run, { acknowledged: { acknowledged: seen.acknowledged, total: seen.total } });
}

/**
 * The newest version, if it is newer than the stable one and wasn't sent back; or the template that somebody gave stable's Deployment, or
 * whom somebody wants to be tried again.
 */
function candidateOf({ observed, state }: Turn): ObservedVersion | undefined {
  const asked = observed.versions.find(({ name }) => name === state.wanted?.version && name !== state.stable);
  const template = inPlaceOf(observed.versions, state.stable) ?? asked;
  if (template !== undefined) return template;
  const isNewer = (one: ObservedVersion, other: ObservedVersion) =>
    one.since > other.since || (one.since === other.since && one.name > other.name);
  const stable = observed.versions.find(({ name }) => name === state.stable);
  const newest = observed.versions
    .filter((version) => version.name !== state.stable && (stable === undefined || isNewer(version, stable)))
    .reduce<ObservedVersion | undefined>((best, version) => (best === undefined || isNewer(version, best) ? version : best), undefined);
  return newest === undefined || state.rejected.includes(newest.name) ? undefined : newest;
}

/** The template of stable's own Deployment where it isn't the stable one: written by somebody, and carried out whatever was decided before. */
function inPlaceOf(versions: readonly ObservedVersion[], stable: string | undefined): ObservedVersion | undefined {
  if (versions.find(({ name }) => name === stable)?.deployed !== false) return undefined;
  return versions.find(({ deployed }) => deployed === true);
}

const replaceable: ReadonlySet<string> = new Set(["blocked", "moving", "running", "held", "promoting", "warm"]);

/** A newer version takes the candidate's place: weights go back first, evidence begins anew. */
function superseded(turn: Turn): Turn {
  const run = runTurnOf(turn);
  if (run === undefined || !replaceable.has(run.run.stage)) return turn;
  const { candidate, steps, stage } = run.run;
  const newest = candidateOf(turn);
  const old = versionOf(turn, candidate);
  const isOther = newest !== undefined && newest.name !== candidate;
  const isNewer = isOther && (old === undefined || newest.since > old.since || newest.deployed === true);
  const isVariant = steps.some((step) => step.kind === "compare" && step.variants.some(({ version }) => version === newest?.name));
  if (!isNewer || isVariant) return turn;
  const sentence = `${newest.name} is newer than ${candidate}`;
  if (stage === "warm") return succeeded(run, `${sentence}, so ${candidate} is final now`);
  if (newest.deployed !== true || old?.deployed !== false)
    return startReturn(run, "superseded", { what: "NewerVersion", sentence: `${sentence} and takes its place` });
  // The Deployment is on its way to the newer template already; going back would take that away as well.
  const told = decided(withRun(run, { outcome: "superseded", because: sentence }), { what: "Superseded", sentence });
  return ended(told, { stable: run.run.stable, isRejected: false });
}

function advance(turn: Turn, name: string): Turn {
  const known = turn.state.run;
  if (known === undefined || known.stage === "done") return started(turn, name);
  const run = guard(withFindings({ ...turn, run: known }));
  if (run.run.stage !== known.stage) return run;
  switch (run.run.stage) {
    case "blocked":
      return run.run.paused === undefined ? enterStep(run, run.run.next) : run;
    case "moving":
      return isAcknowledged(run) ? startRunning(run) : stalled(run);
    case "running":
      return progressed(run);
    case "promoting":
      return isAcknowledged(run) ? promoted(run) : stalled(run);
    case "warm":
      return run.now - run.run.stageSince < run.spec.warm
        ? run
        : succeeded(
            run,
            `${run.run.candidate} is final: ${run.run.stable} was warm for ${timeWords(run.spec.warm)}, and nobody asked for it back`,
          );
    case "returning":
      return advanceReturn(run);
    case "draining":
      return advanceDrain(run);
    case "held":
      return run;
  }
}

function progressed(turn: RunTurn): RunTurn {
  const { state, sentence } = progressOf(turn);
  if (state === "done") return enterStep(decidedOnce(turn, { what: "StepDone", sentence }), turn.run.step + 1);
  if (state === "failed") return failed(turn, { what: "StepFailed", sentence });
  if (state === "wait") return turn;
  return withRun(decided(turn, { what: "AskingAPerson", sentence }), { paused: { actor: "engine", reason: sentence } });
}

function stalled(turn: RunTurn): RunTurn {
  const waited = turn.now - turn.run.stageSince;
  if (waited < stalledAfterMs) return turn;
  return decidedOnce(turn, {
    what: "Stalled",
    sentence: `after ${timeWords(waited)} ${acknowledgedWords(turn)} have acknowledged the move`,
  });
}

function promoted(turn: RunTurn): RunTurn {
  const { candidate, stable, exposure } = turn.run;
  const warm = exposure.byPods ? "can be taken back" : `${stable} stays warm`;
  const sentence = `${candidate} has all traffic, ${acknowledgedWords(turn)} know it; ${warm} for ${timeWords(turn.spec.warm)}`;
  return enter(decided(turn, { what: "Promoted", sentence }), "warm");
}

function succeeded(turn: RunTurn, because: string): RunTurn {
  const { candidate, stable } = turn.run;
  const scales = versionOf(turn, stable)?.scaleManaged === true;
  const scaled = scales ? act(turn, { type: "scale", version: stable, replicas: 0 }) : turn;
  const told = decided(withRun(scaled, { outcome: "succeeded", because }), { what: "Succeeded", sentence: because });
  return ended(told, { stable: candidate, isRejected: false });
}

/** Finds the stable version, and starts a run when a newer one is there. */
function started(turn: Turn, name: string): Turn {
  const settled = withStable(withoutLost(turn));
  const candidate = candidateOf(settled);
  const { stable } = settled.state;
  if (candidate === undefined || stable === undefined) {
    return settled.state.waiting === undefined ? settled : withState(settled, { waiting: undefined });
  }
  const { wanted } = settled.state;
  const isAsked = wanted?.version === candidate.name;
  const forced = isAsked && wanted.forced;
  const freeze = forced ? undefined : freezeAt(turn.spec.windows, turn.now);
  if (freeze !== undefined) {
    const waiting = `${candidate.name} waits for the end of freeze window "${freeze.cron}", ${new Date(freeze.until).toISOString()}`;
    return settled.state.waiting === waiting ? settled : withState(settled, { waiting });
  }
  const number = settled.state.runs + 1;
  const run = { ...newRun(settled, { id: `${name}-${number}`, candidate: candidate.name, stable }), forced };
  const next = withState(settled, { runs: number, run, waiting: undefined, wanted: undefined });
  const why = isAsked ? `${candidate.name} is tried again` : `${candidate.name} is newer than ${stable}`;
  const sentence = `${why}: a run of ${manyWords(run.steps.length, "step")} begins`;
  return decided({ ...next, run }, { what: "Started", sentence });
}

/** Whoever was to be tried again and is gone is nobody's wish any more: deployed again it is a new version. */
function withoutLost(turn: Turn): Turn {
  const { wanted } = turn.state;
  const isLost = wanted !== undefined && !turn.observed.versions.some(({ name }) => name === wanted.version);
  return isLost ? withState(turn, { wanted: undefined }) : turn;
}

/** Who holds the traffic: the version that users' routes name, else whoever had pods first; when it is deleted, the oldest of the others. */
function withStable(turn: Turn): Turn {
  const { versions, routed } = turn.observed;
  const isThere = versions.some(({ name }) => name === turn.state.stable);
  if (isThere) return turn;
  const ready = versions.filter(({ readyPods: pods }) => pods > 0).toSorted((a, b) => a.since - b.since || (a.name < b.name ? -1 : 1));
  const oldest = ready.find(({ name }) => turn.state.stable === undefined && name === routed) ?? ready[0];
  return oldest === undefined ? turn : withState(turn, { stable: oldest.name });
}

function newRun(turn: Turn, { id, candidate, stable }: Pick<Run, "id" | "candidate" | "stable">): Run {
  const { spec, now } = turn;
  return {
    id,
    candidate,
    stable,
    startedAt: now,
    steps: stepsOf(spec),
    settings: { ...spec },
    step: -1,
    stage: "blocked",
    stageSince: now,
    next: 0,
    exposure: noExposure,
    // Numbers go on through all runs, so that no acknowledgement is taken for another's.
    move: turn.state.run?.move ?? 0,
    acknowledged: turn.state.run?.acknowledged ?? { acknowledged: 0, total: 0 },
    forced: false,
    fullPods: readyPods(turn, stable),
    evidence: {
      ...startEvidence(spec.analysis, now, stepsOf(spec)),
      ...(turn.observed.unit === undefined ? {} : { unit: turn.observed.unit }),
    },
    history: [],
    decisions: [],
    told: [],
  };
}
