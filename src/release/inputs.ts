// What people ask for: each input is handled once, recorded with its actor and reason, and refused with a sentence where it makes no sense.

import { withAction } from "./actions.ts";
import { aimOf, enterStep, needsPods } from "./enter-step.ts";
import { publicPercent } from "./exposure.ts";
import { startEvidence } from "./judging.ts";
import type { PersonInput } from "./observation.ts";
import { startReturn } from "./returning.ts";
import { comparisonWords, timeWords } from "./sentences.ts";
import type { ReleaseState } from "./state.ts";
import { decided, enter, expose, type RunTurn, readyPods, runTurnOf, stepOf, type Turn, versionOf, withRun, withState } from "./turn.ts";
import { freezeAt } from "./windows.ts";

/** The turn after all new inputs, in the order in which they were written. */
export function handleInputs(turn: Turn): Turn {
  const fresh = turn.observed.inputs.filter(({ seq }) => seq > turn.state.lastInput).toSorted((a, b) => a.seq - b.seq);
  return fresh.reduce((before, input) => {
    const run = runTurnOf(before);
    const after = run === undefined ? withoutRun(before, input) : handled(run, input);
    const answers = [...(before.state.answers ?? []), answerTo(input, before, after)].slice(-keptAnswers);
    return withState(after, { lastInput: input.seq, answers });
  }, turn);
}

/** Whoever asked looks for the answer within seconds. */
const keptAnswers = 10;

function answerTo(input: PersonInput, before: Turn, after: Turn): NonNullable<ReleaseState["answers"]>[number] {
  const known = new Set(before.state.run?.decisions);
  const told = after.state.run?.decisions.find((one) => !known.has(one) && one.actor === input.actor);
  const sentence = told?.sentence ?? sentenceOf(input, noRun);
  return { seq: input.seq, sentence, isRefused: told === undefined || told.what === "Refused" };
}

const noRun = "refused: there is no run; one begins when a newer version is deployed";

/** There is no run to record it in, but an answer is owed. */
function withoutRun(turn: Turn, input: PersonInput): Turn {
  const message = sentenceOf(input, noRun);
  return withState(turn, {
    outbox: withAction(turn.state.outbox, { type: "event", id: `input/${input.seq}`, reason: "Refused", message }),
  });
}

const active: ReadonlySet<string> = new Set(["blocked", "moving", "running", "held", "promoting"]);

function handled(turn: RunTurn, input: PersonInput): RunTurn {
  const isActive = active.has(turn.run.stage);
  switch (input.type) {
    case "abort":
      return isActive ? back(turn, input, "aborted") : refused(turn, input, wherefore(turn, "abort"));
    case "undo":
      return undo(turn, input);
    case "retry":
      return retry(turn, input);
    case "pause":
      if (!isActive || turn.run.stage === "held" || turn.run.stage === "promoting") return refused(turn, input, wherefore(turn, "pause"));
      return withRun(asked(turn, input, "stays where it is"), { paused: { actor: input.actor, reason: input.reason } });
    case "resume":
      return isActive ? resume(turn, input) : refused(turn, input, wherefore(turn, "resume"));
    case "promote":
      return isActive && turn.run.stage !== "promoting" ? promote(turn, input) : refused(turn, input, wherefore(turn, "promote"));
    case "set-weight":
      return setWeight(turn, input);
  }
}

const names: Readonly<Record<PersonInput["type"], string>> = {
  promote: "PromoteAsked",
  abort: "AbortAsked",
  pause: "PauseAsked",
  resume: "ResumeAsked",
  "set-weight": "SetWeightAsked",
  undo: "UndoAsked",
  retry: "RetryAsked",
};

function sentenceOf({ actor, type, reason }: PersonInput, effect: string): string {
  return `${actor} asked to ${type}${reason === "" ? "" : ` ("${reason}")`}: ${effect}`;
}

function asked(turn: RunTurn, input: PersonInput, effect: string): RunTurn {
  return decided(turn, { what: names[input.type], sentence: sentenceOf(input, effect), actor: input.actor, reason: input.reason });
}

function refused(turn: RunTurn, input: PersonInput, why: string): RunTurn {
  return decided(turn, { what: "Refused", sentence: sentenceOf(input, `refused: ${why}`), actor: input.actor, reason: input.reason });
}

function wherefore({ run }: RunTurn, what: string): string {
  if (run.stage === "warm" || run.stage === "promoting")
    return `${run.candidate} is promoted; ${what === "abort" ? `undo gives ${run.stable} its traffic back` : "nothing is left to do"}`;
  if (run.stage !== "done") return run.reached === true ? `${run.stable} is getting its traffic back` : `the run is ending`;
  return run.outcome === "succeeded"
    ? `the run is over, ${run.candidate} is stable now`
    : `the run is over; retry begins ${run.candidate} anew`;
}

function back(turn: RunTurn, input: PersonInput, outcome: "aborted" | "undone" | "retried"): RunTurn {
  const { type, actor, reason } = input;
  return startReturn(turn, outcome, {
    what: names[type],
    sentence: sentenceOf(
      input,
      turn.run.reached === true ? `${turn.run.stable} gets its traffic back` : `${turn.run.stable} keeps all traffic`,
    ),
    actor,
    reason,
  });
}

function undo(turn: RunTurn, input: PersonInput): RunTurn {
  const { run } = turn;
  const isPromoted = run.stage === "warm" || (run.stage === "done" && run.outcome === "succeeded");
  if (!isPromoted)
    return refused(
      turn,
      input,
      active.has(run.stage)
        ? `nothing was promoted yet; abort ${run.reached === true ? `gives ${run.stable} its traffic back` : "ends the run"}`
        : "nothing was promoted",
    );
  if (!run.exposure.byPods && readyPods(turn, run.stable) === 0) return refused(turn, input, `${run.stable} has no ready pod left`);
  return back(turn, input, "undone");
}

function retry(turn: RunTurn, input: PersonInput): RunTurn {
  const { run } = turn;
  if (run.stage === "returning" || run.stage === "draining") return refused(turn, input, wherefore(turn, "retry"));
  if (run.stage === "warm") return refused(turn, input, wherefore(turn, "retry"));
  if (run.stage === "done" && run.outcome === "succeeded") return refused(turn, input, `${run.candidate} is promoted`);
  if (versionOf(turn, run.candidate) === undefined)
    return refused(turn, input, `${run.candidate} isn't there any more; deployed again it begins by itself`);
  const why = frozen(turn, input);
  if (why !== undefined) return refused(turn, input, why);
  const told = run.stage === "done" ? asked(turn, input, `${run.candidate} starts anew`) : back(turn, input, "retried");
  const rejected = told.state.rejected.filter((name) => name !== run.candidate);
  return { ...told, state: { ...told.state, rejected, wanted: { version: run.candidate, forced: input.force === true } } };
}

/** Who may let a run pass: the gates that would be passed name them, or else anybody who may write inputs. */
function mayNot({ run }: RunTurn, { actor, full = false }: PersonInput): string | undefined {
  const present = run.stage === "blocked" ? [] : run.steps.slice(Math.max(0, run.step), run.step + 1);
  const gates = full ? [...present, ...run.steps.slice(run.step + 1)] : present;
  const closed = gates.find((step) => step.kind === "pause" && step.approvers.length > 0 && !step.approvers.includes(actor));
  return closed?.kind === "pause" ? `only ${closed.approvers.join(", ")} may` : undefined;
}

/** Why nothing may grow now, unless it is forced. */
function frozen(turn: RunTurn, { force = false }: PersonInput): string | undefined {
  const freeze = force ? undefined : freezeAt(turn.spec.windows, turn.now);
  return freeze === undefined ? undefined : `freeze window "${freeze.cron}" until ${new Date(freeze.until).toISOString()}; force is needed`;
}

function promote(turn: RunTurn, input: PersonInput): RunTurn {
  const why = mayNot(turn, input) ?? frozen(turn, input);
  if (why !== undefined) return refused(turn, input, why);
  const { run } = turn;
  const next = run.stage === "blocked" ? run.next : run.step + 1;
  const target = input.full === true ? run.steps.length : next;
  const effect = input.full === true ? "all steps that are left are skipped" : "on to the next step";
  const known = stepOf(turn)?.kind === "compare" ? comparisonWords(run.evidence) : [];
  const told = asked(turn, input, [`${effect}${waitWords(turn, target)}`, ...known].join("; "));
  const forced = withRun(unheld(told), { forced: input.force === true });
  return enterStep(forced, target);
}

/** What a step that a person asked for waits for: pods, the only thing that can't be forced. */
function waitWords(turn: RunTurn, target: number): string {
  const { candidate } = turn.run;
  if (!needsPods(turn, target) || readyPods(turn, candidate) > 0) return "";
  return ` as soon as ${candidate} has a ready pod; it has none now, and after ${timeWords(turn.spec.readyTimeout)} without one the run fails`;
}

function resume(turn: RunTurn, input: PersonInput): RunTurn {
  const { run } = turn;
  const isPauseStep = run.stage === "running" && stepOf(turn)?.kind === "pause";
  if (run.stage === "held") {
    const step = Math.max(0, run.step);
    return enterStep(unheld(asked(turn, input, `the step begins anew, with fresh evidence${waitWords(turn, step)}`)), step);
  }
  if (run.paused !== undefined) {
    const resumed = withRun(asked(turn, input, "going on"), { paused: undefined });
    return run.stage === "running" ? enter(resumed, "running") : resumed;
  }
  if (!isPauseStep) return refused(turn, input, "nothing is paused");
  const why = mayNot(turn, input);
  return why === undefined
    ? enterStep(asked(turn, input, `going on${waitWords(turn, run.step + 1)}`), run.step + 1)
    : refused(turn, input, why);
}

/** A person who lets a failed version go on decides against the evidence, so it begins anew. */
function unheld(turn: RunTurn): RunTurn {
  if (turn.run.stage !== "held") return turn;
  const { lastSecond, failedRequests, unit, seen } = turn.run.evidence;
  const told = { lastSecond, failedRequests, ...(unit === undefined ? {} : { unit }), ...(seen === undefined ? {} : { seen }) };
  const evidence = { ...startEvidence(turn.spec.analysis, turn.now), ...told };
  return withRun(turn, { evidence, because: undefined });
}

function setWeight(turn: RunTurn, input: PersonInput): RunTurn {
  const { run } = turn;
  const { percent } = input;
  if (!active.has(run.stage) || run.stage === "promoting" || run.stage === "held")
    return refused(turn, input, wherefore(turn, "set-weight"));
  if (run.step < 0 || run.exposure.byPods) return refused(turn, input, "no weight holds at this step");
  if (percent === undefined || !(percent >= 0 && percent <= 100)) return refused(turn, input, "the weight must be 0 to 100 percent");
  const why = percent > publicPercent(run.exposure) ? (mayNot(turn, input) ?? frozen(turn, input)) : undefined;
  if (why !== undefined) return refused(turn, input, why);
  const overridden = withRun(asked(turn, input, `${run.candidate} gets ${percent} % for this step`), { override: percent });
  const moved = expose(overridden, aimOf(overridden));
  return run.stage === "blocked" ? moved : enter(moved, "moving");
}
