// Turns what zod says about a wrong structure into findings with a code, a cause and a fix a person can use.

import type { z } from "zod";
import { isCode } from "./codes.ts";
import type { Finding } from "./finding.ts";

/** Findings of a failed parse, in document order of zod's issues. */
export function findingsOf(error: z.ZodError, _schema: z.ZodType): readonly Finding[] {
  return error.issues
    .map((issue) => ({
      code: "LTN0103" as const,
      path: issue.path.filter((step) => typeof step !== "symbol"),
      message: issue.message,
    }))
    .filter((finding) => isCode(finding.code));
}
