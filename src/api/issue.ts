// Turns what zod says about a wrong structure into findings with a code, a cause and a fix a person can use.

import type { z } from "zod";
import type { FieldPath } from "../lib/field-path.ts";
import { printPath } from "../lib/field-path.ts";
import { isCode } from "./codes.ts";
import type { Finding } from "./finding.ts";
import { duration } from "./scalars.ts";
import { fieldNamesAt, schemaAt } from "./schema-walk.ts";
import { closest } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

interface Context {
  readonly schema: z.ZodType;
  readonly raw: unknown;
}

/** Findings of a failed parse of `raw`, in zod's order. */
export function findingsOf(error: z.ZodError, context: Context): readonly Finding[] {
  return error.issues.flatMap((issue) => findingsOfIssue(issue, context));
}

function findingsOfIssue(issue: Issue, context: Context): readonly Finding[] {
  const path = issue.path.filter((step) => typeof step !== "symbol");
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownField(key, path, context.schema));
    case "invalid_type":
      return [wrongType(path, issue.expected, context)];
    case "invalid_value":
      return [unknownValue(path, issue.values.map(String), context.raw)];
    case "too_small":
      return [outOfRange(path, `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`, context.raw)];
    case "too_big":
      return [outOfRange(path, `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`, context.raw)];
    case "invalid_union":
      return [wrongType(path, unionTypes(issue), context)];
    case "custom":
      return [custom(path, issue)];
    default:
      return [{ code: "LTN0103", path, message: issue.message }];
  }
}

function unknownField(key: string, path: FieldPath, schema: z.ZodType): Finding {
  const known = fieldNamesAt(schema, path);
  const suggestion = closest(key, known);
  const full = printPath([...path, key]);
  const message = suggestion === undefined ? `unknown field \`${full}\`` : `unknown field \`${full}\`; did you mean \`${suggestion}\`?`;
  const here = path.length === 0 ? "the object" : `\`${printPath(path)}\``;
  const list = known.length > 0 && known.length <= 30 ? `; ${here} takes ${known.toSorted().join(", ")}` : "";
  const fix = suggestion === undefined ? `Remove it${list}.` : `Write \`${suggestion}\` instead of \`${key}\`.`;
  return { code: "LTN0101", path: [...path, key], message, fix };
}

function wrongType(path: FieldPath, expected: string, { schema, raw }: Context): Finding {
  const value = valueAt(raw, path);
  const name = printPath(path);
  if (value === undefined)
    return { code: "LTN0102", path, message: `\`${name}\` is required`, fix: `Add \`${name}\` (${wordOf(expected)}).` };
  if (isSecretValue(raw, path)) {
    return {
      code: "LTN0103",
      path,
      message: `\`${name}\` must be ${wordOf(expected)}`,
      fix: `Write ${wordOf(expected)}; put numbers in quotes.`,
    };
  }
  const message = `\`${name}\` must be ${wordOf(expected)}, not ${described(value)}`;
  if (schemaAt(schema, path) === duration && typeof value === "number") {
    return {
      code: "LTN0107",
      path,
      message: `\`${name}\` is ${value}, a number without a unit`,
      fix: `Write a duration, for example "${value}s".`,
    };
  }
  if (expected === "string" && typeof value !== "object")
    return { code: "LTN0103", path, message, fix: `Put it in quotes: "${String(value)}".` };
  return { code: "LTN0103", path, message, fix: `Write ${wordOf(expected)}.` };
}

/** Values of Secrets don't belong into messages, which end up in logs and statuses. */
function isSecretValue(raw: unknown, path: FieldPath): boolean {
  return valueAt(raw, ["kind"]) === "Secret" && (path[0] === "data" || path[0] === "stringData");
}

function unknownValue(path: FieldPath, allowed: readonly string[], raw: unknown): Finding {
  const value = valueAt(raw, path);
  const name = printPath(path);
  if (value === undefined)
    return { code: "LTN0102", path, message: `\`${name}\` is required`, fix: `Add \`${name}\`: ${allowed.join(", ")}.` };
  const suggestion = typeof value === "string" ? closest(value, allowed) : undefined;
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  return {
    code: "LTN0104",
    path,
    message: `\`${name}\` can't be ${described(value)}${hint}`,
    fix: allowed.length === 1 ? `Write ${allowed[0]}.` : `Use one of ${allowed.join(", ")}.`,
  };
}

function outOfRange(path: FieldPath, range: string, raw: unknown): Finding {
  const name = printPath(path);
  return {
    code: "LTN0105",
    path,
    message: `\`${name}\` is ${described(valueAt(raw, path))}, which is out of range`,
    fix: `Use a value of ${range}.`,
  };
}

function custom(path: FieldPath, issue: Extract<Issue, { code: "custom" }>): Finding {
  const code = issue.params?.["code"];
  const fix = issue.params?.["fix"];
  const finding = { code: isCode(code) ? code : ("LTN0103" as const), path, message: `\`${printPath(path)}\`: ${issue.message}` };
  return typeof fix === "string" ? { ...finding, fix } : finding;
}

function unionTypes(issue: Extract<Issue, { code: "invalid_union" }>): string {
  const expected = issue.errors.flatMap((errors) => errors.flatMap((error) => (error.code === "invalid_type" ? [error.expected] : [])));
  return [...new Set(expected)].join(" or ");
}

function wordOf(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: "a string",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a mapping",
    record: "a mapping",
  };
  return expected
    .split(" or ")
    .map((word) => words[word] ?? word)
    .join(" or ");
}

function described(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = JSON.stringify(value) ?? "nothing";
  return `${typeof value === "string" ? "the string " : ""}${text.length > 60 ? `${text.slice(0, 57)}…` : text}`;
}

function valueAt(raw: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>((value, step) => {
    if (typeof value !== "object" || value === null) return undefined;
    return Object.getOwnPropertyDescriptor(value, step)?.value;
  }, raw);
}
