// StringMatch of Istio's proto: exactly one of exact, prefix and regex; for headers and query parameters also "is there at all".

import { z } from "zod";

/** Exactly one of the three; narrow with `"exact" in match`. */
export type StringMatch = { readonly exact: string } | { readonly prefix: string } | { readonly regex: string };

/** A StringMatch, or the empty match `{}`, which asks only that the header or parameter is present. */
export type HeaderMatch = StringMatch | { readonly present: true };

const fields = z.strictObject({
  exact: z.string().optional(),
  prefix: z.string().optional(),
  /** RE2 syntax; the whole text must match. */
  regex: z.string().optional(),
});

type Fields = z.output<typeof fields>;

function givenCount(match: Fields): number {
  return [match.exact, match.prefix, match.regex].filter((value) => value !== undefined).length;
}

function stringMatchOf(match: Fields): StringMatch | undefined {
  if (givenCount(match) !== 1) return undefined;
  if (match.exact !== undefined) return { exact: match.exact };
  if (match.prefix !== undefined) return { prefix: match.prefix };
  return { regex: match.regex ?? "" };
}

function refusal(input: Fields): z.core.$ZodRawIssue {
  const count = givenCount(input);
  return {
    code: "custom",
    input,
    message: count === 0 ? "nothing to match is given" : "more than one of exact, prefix and regex is given",
    params: { code: "LTN0108", fix: "Give exactly one of exact, prefix and regex." },
  };
}

/** Schema of StringMatch. */
export const stringMatch = fields.transform((match, context): StringMatch => {
  const result = stringMatchOf(match);
  if (result !== undefined) return result;
  context.issues.push(refusal(match));
  return z.NEVER;
});

/** Schema of a header or query parameter match. */
export const headerMatch = fields.transform((match, context): HeaderMatch => {
  if (givenCount(match) === 0) return { present: true };
  const result = stringMatchOf(match);
  if (result !== undefined) return result;
  context.issues.push(refusal(match));
  return z.NEVER;
});
