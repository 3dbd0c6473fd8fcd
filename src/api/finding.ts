// What a check of one resource found, before it is known which resource and which line of which file it stands in.

import { type FieldPath, printPath } from "../lib/field-path.ts";
import type { Code } from "./codes.ts";
import { codes } from "./codes.ts";
import type { Diagnostic, SourcePosition } from "./diagnostic.ts";

/** A Diagnostic without resource and position; the path is relative to the resource. */
export interface Finding {
  readonly code: Code;
  readonly path: FieldPath;
  /** Cause, one sentence. */
  readonly message: string;
  /** What to do; the code's general advice when unset. */
  readonly fix?: string;
}

/** Completes a finding; severity and default advice come from the table of codes. */
export function diagnosticOf(finding: Finding, resource: string, position?: SourcePosition): Diagnostic {
  const code = codes[finding.code];
  const diagnostic = {
    code: finding.code,
    severity: code.severity,
    resource,
    path: printPath(finding.path),
    message: finding.message,
    fix: finding.fix ?? code.fix,
  };
  return position === undefined ? diagnostic : { ...diagnostic, position };
}
