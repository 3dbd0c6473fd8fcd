// What a user got wrong, as a value: made by parsers and checks, carried in statuses, printed by the CLI.

export type Severity = "error" | "warning" | "info";

/** Where in a file the mistake stands; lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Diagnostic {
  /** Stable code of the table in codes.ts, for example "LTN0101". */
  readonly code: string;
  readonly severity: Severity;
  /** "VirtualService default/reviews"; empty when the text could not be read as a resource at all. */
  readonly resource: string;
  /** Printable field path, for example "spec.http[0].retries.backoff"; empty for the whole resource. */
  readonly path: string;
  /** Cause, one sentence. */
  readonly message: string;
  /** What to do, one sentence. */
  readonly fix: string;
  readonly position?: SourcePosition;
}
