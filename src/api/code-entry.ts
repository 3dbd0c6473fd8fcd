// One row of the table of codes (codes.ts), and short ways to write it.

import type { Severity } from "./diagnostic.ts";

export interface CodeEntry {
  readonly severity: Severity;
  /** A few words, as a heading. */
  readonly title: string;
  /** What it means, one or two sentences. */
  readonly meaning: string;
  /** General advice; a finding may give a better one. */
  readonly fix: string;
}

/** An entry of that severity: title, meaning, advice. */
export function error(title: string, meaning: string, fix: string): CodeEntry {
  return { severity: "error", title, meaning, fix };
}

/** An entry of that severity: title, meaning, advice. */
export function info(title: string, meaning: string, fix: string): CodeEntry {
  return { severity: "info", title, meaning, fix };
}

/** An entry of that severity: title, meaning, advice. */
export function warning(title: string, meaning: string, fix: string): CodeEntry {
  return { severity: "warning", title, meaning, fix };
}
