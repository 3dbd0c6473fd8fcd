// What keeps a run from deciding who gets which version: callers that can't be steered, hops that don't say whose request it is. Stops nothing; told once.

import type { FindingKind, RunFinding } from "./observation.ts";
import { decided, type RunTurn, withRun } from "./turn.ts";

/** The turn that knows what was found. What is new is told, once in a run; what is over goes. */
export function withFindings(turn: RunTurn): RunTurn {
  const { observed, run } = turn;
  const known = run.findings ?? [];
  const found = observed.findings ?? [];
  if (sameSubjects(known, found)) return turn;
  // What was known keeps its sentence: numbers that change every second are no news.
  const kept = found.map((one) => known.find((other) => keyOf(other) === keyOf(one)) ?? one);
  const fresh = kept.filter((one) => !known.includes(one) && !run.decisions.some(({ what, sentence }) => isAbout(one, what, sentence)));
  return fresh.reduce((told, { kind, sentence }) => decided(told, { what: kind, sentence }), withRun(turn, { findings: kept }));
}

function sameSubjects(known: readonly RunFinding[], found: readonly RunFinding[]): boolean {
  return known.length === found.length && known.every((one, index) => keyOf(one) === keyOf(found[index]));
}

function keyOf(finding: RunFinding | undefined): string {
  return finding === undefined ? "" : `${finding.kind} ${finding.subject}`;
}

function isAbout({ kind, subject }: RunFinding, what: string, sentence: string): boolean {
  // As a word: names may begin with other names.
  return what === kind && sentence.split(" ").includes(subject);
}

/** The codes under which diagnostics show them. */
export const findingCodes = {
  CallersNotSteered: "LTN1131",
  BaggageDropped: "LTN1132",
} as const satisfies Readonly<Record<FindingKind, string>>;
