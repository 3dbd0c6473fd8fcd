// `lateen release why` and `replay`: a run told in sentences, and its recorded samples judged again with other settings.

import type { ReleaseSpec } from "../api/release/release.ts";
import { goOnAlpha } from "../stats/go-on.ts";
import { type Judgement, startNextStep } from "../stats/judge.ts";
import { beforeWords, isWorseThanBefore } from "./before.ts";
import { exposureAt } from "./exposure.ts";
import { crossedLimit, judgementIn, observeSeconds, startEvidence } from "./judging.ts";
import type { SampleSecond } from "./observation.ts";
import { countWords, failedWords, manyWords, percentWords, timeWords, verdictSentence } from "./sentences.ts";
import type { Evidence, Outcome, Run } from "./state.ts";
import { metricName, unitOf } from "./unit.ts";

/** The whole run, oldest first: when, who, what and why. */
export function explain(run: Run): readonly string[] {
  const first = `${run.candidate} against ${run.stable}, ${manyWords(run.steps.length, "step")}, began ${new Date(run.startedAt).toISOString()}`;
  const middle = run.decisions.map(({ time, actor, sentence }) => {
    const who = actor === "engine" || sentence.startsWith(`${actor} `) ? "" : ` [${actor}]`;
    return `+${timeWords(time - run.startedAt)}${who} ${sentence}`;
  });
  const failed = failedWords(run.candidate, run.evidence, unitOf(run.evidence));
  if (run.outcome === undefined) return [first, ...middle, `${failed} so far`];
  const took = run.endedAt === undefined ? "" : ` after ${timeWords(run.endedAt - run.startedAt)}`;
  return [first, ...middle, `${outcomeWords[run.outcome]}${took}; ${failed}`];
}

const outcomeWords: Readonly<Record<Outcome, string>> = {
  succeeded: "succeeded",
  rolledBack: "rolled back",
  aborted: "aborted",
  undone: "undone",
  superseded: "superseded",
  retried: "begun anew",
  failed: "failed",
};

export interface Replay {
  /** The verdict that would have ended the run, or the one at its end. */
  readonly verdict: Judgement["verdict"] | "limit";
  /** Seconds after the first sample at which harm was found or a limit crossed. */
  readonly seconds?: number;
  /** Requests to the candidate that had failed by then. */
  readonly failedRequests: number;
  readonly sentence: string;
}

/** What a ReleaseRun keeps of a run besides its samples, and a replay needs. */
export type RecordedRun = Pick<Run, "candidate" | "stable" | "steps" | "history" | "startedAt">;

/** The same samples judged by other settings: "what would margin 2x have done?". Nothing moves, so shares stay as they were. */
export function replay(run: RecordedRun, samples: readonly SampleSecond[], analysis: ReleaseSpec["analysis"]): Replay {
  const sorted = samples.toSorted((a, b) => a.second - b.second);
  const asking = run.steps.filter((step) => "advance" in step && step.advance === "evidence").length;
  const start = sorted[0]?.second ?? 0;
  let evidence = startEvidence(analysis, run.startedAt, run.steps);
  let step = -1;
  for (const sample of sorted) {
    const now = stepAt(run, sample.second);
    if (now !== step) evidence = { ...evidence, judge: startNextStep(evidence.judge) };
    step = now;
    evidence = observeSeconds(
      { ...run, stage: "running", stageSince: run.startedAt, step, exposure: exposureAt(run.steps, step), evidence },
      [sample],
      sample.second * 1000,
    );
    const judgement = judgementIn(evidence, goOnAlpha(asking, analysis.wrongAdvance));
    const found = ending(evidence, judgement, sample.second - start);
    if (found !== undefined) return found;
  }
  const judgement = judgementIn(evidence, goOnAlpha(asking, analysis.wrongAdvance));
  const { verdict } = judgement;
  return { verdict, failedRequests: evidence.failedRequests, sentence: verdictSentence(evidence, judgement) };
}

/** The step in whose time a second lies; it begins when it was acknowledged, as far as it was. */
function stepAt({ history }: RecordedRun, second: number): number {
  return history.findLast(({ from }) => from <= second * 1000)?.index ?? -1;
}

function ending(evidence: Evidence, judgement: Judgement, seconds: number): Replay | undefined {
  const { failedRequests } = evidence;
  const limit = crossedLimit(evidence);
  if (limit !== undefined) {
    const { trials, events } = limit.state.candidate;
    const sentence = `${metricName(limit.name, evidence)} ${percentWords(events / trials)} of ${countWords(trials)}, above the limit of ${percentWords(limit.state.max)}`;
    return { verdict: "limit", seconds, failedRequests, sentence };
  }
  const words = beforeWords(evidence);
  if (isWorseThanBefore(evidence) && words !== undefined) return { verdict: "harm", seconds, failedRequests, sentence: words };
  if (judgement.verdict !== "harm") return undefined;
  return { verdict: "harm", seconds, failedRequests, sentence: verdictSentence(evidence, judgement) };
}
