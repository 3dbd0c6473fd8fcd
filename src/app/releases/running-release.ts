// What the engine's process remembers of a Release between two decisions, and how it begins from what is stored.

import type { CheckResult } from "../../release/observation.ts";
import type { ReleaseState } from "../../release/state.ts";

/** What the process remembers of a Release; the store has the rest. */
export interface Running {
  state: ReleaseState;
  /** State without evidence, as it was written last. */
  written: string;
  writtenAt: number;
  /** The store's revision that the last move was written with. */
  moved: { readonly move: number; readonly revision: number } | undefined;
  /** Ids of actions carried out by this process. */
  readonly done: Set<string>;
  readonly underWay: Set<string>;
  readonly checks: Map<string, readonly CheckResult[]>;
  direction: "forward" | "undo";
}

/** After a start or restart: everything stored so far, as of `revision`, counts as the last move's. */
export function runningFrom(state: ReleaseState, { now, revision }: { readonly now: number; readonly revision: number }): Running {
  const { run } = state;
  return {
    state,
    written: withoutEvidence(state),
    writtenAt: now,
    moved: run === undefined ? undefined : { move: run.move, revision },
    done: new Set(),
    underWay: new Set(),
    checks: new Map(),
    direction: run?.stage === "returning" ? "undo" : "forward",
  };
}

/** Whether proxies are to acknowledge something. */
export function isMoving({ run }: ReleaseState): boolean {
  return run?.stage === "moving" || run?.stage === "promoting" || run?.stage === "returning";
}

/** What a kill must not lose, as text. */
export function withoutEvidence({ run, decidedAt: _decidedAt, ...state }: ReleaseState): string {
  if (run === undefined) return JSON.stringify(state);
  const { evidence, ...rest } = run;
  // The kinds of evidence, not their numbers: a new step's judge is news.
  return JSON.stringify({ ...state, run: rest, comparisons: evidence.comparisons.length });
}
