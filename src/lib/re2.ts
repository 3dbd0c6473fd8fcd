// RE2 expressions as Envoy understands them; a user's pattern never reaches JavaScript's RegExp.

import { RE2JS } from "re2js";

export interface CompiledPattern {
  /** True when the whole text matches, as Envoy's safe_regex does. */
  readonly fullMatch: (text: string) => boolean;
  /** The first group of a match of the whole text; undefined without one. */
  readonly firstGroup: (text: string) => string | undefined;
  /** RE2's program size, which Envoy compares with re2.max_program_size.error_level. */
  readonly programSize: number;
}

export type PatternResult = { readonly ok: true; readonly pattern: CompiledPattern } | { readonly ok: false; readonly reason: string };

/** Compiles a pattern with RE2's rules; the reason of a refusal is RE2's own. */
export function compilePattern(source: string): PatternResult {
  try {
    const compiled = RE2JS.compile(source);
    const firstGroup = (text: string): string | undefined => {
      const matcher = compiled.matcher(text);
      return matcher.matches() && matcher.groupCount() > 0 ? (matcher.group(1) ?? undefined) : undefined;
    };
    return { ok: true, pattern: { fullMatch: (text) => compiled.matches(text), firstGroup, programSize: compiled.programSize() } };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
