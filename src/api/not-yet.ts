// "Nothing is accepted and silently ignored": finds the fields of a resource that its kind accepts without acting on them.

import type { FieldPath } from "../lib/field-path.ts";
import { printPath } from "../lib/field-path.ts";
import type { Finding } from "./finding.ts";
import { isJsonObject } from "./json.ts";

interface Pattern {
  readonly steps: readonly string[];
  readonly matches: (value: unknown) => boolean;
}

/** One warning per entry of `notYet` that the resource uses, at the first place it does. */
export function notYetFindings(raw: unknown, notYet: readonly string[]): readonly Finding[] {
  return patternsOf(notYet).flatMap(({ entry, pattern }) => {
    const path = firstUse(raw, pattern, { depth: 0, path: [] });
    return path === undefined ? [] : [findingOf(path, entry)];
  });
}

interface CompiledEntry {
  readonly entry: string;
  readonly pattern: Pattern;
}

const compiled = new WeakMap<readonly string[], readonly CompiledEntry[]>();

/** A kind's patterns, read once: every write of an object asks for them. */
function patternsOf(notYet: readonly string[]): readonly CompiledEntry[] {
  const known = compiled.get(notYet);
  if (known !== undefined) return known;
  const entries = notYet.map((entry) => ({ entry, pattern: patternOf(entry) }));
  compiled.set(notYet, entries);
  return entries;
}

function findingOf(path: FieldPath, entry: string): Finding {
  const name = printPath(path);
  const value = /[^!]=(.*)$/.exec(entry)?.[1];
  const what = value === undefined ? `\`${name}\`` : `\`${name}: ${value}\``;
  return { code: "LTN0109", path, message: `${what} is accepted but has no effect here yet` };
}

/** Reads "a.b[].c", "a.*.c", "a.b=VALUE" and "a.b!=VALUE"; see KindDeclaration.notYet. */
function patternOf(entry: string): Pattern {
  const condition = /^(.*?)(!?=)(.*)$/.exec(entry);
  const path = condition?.[1] ?? entry;
  const steps = path.replaceAll("[]", ".[]").split(".");
  if (condition === null) return { steps, matches: (value) => !isNothing(value) };
  const wanted = condition[3];
  if (condition[2] === "=") return { steps, matches: (value) => String(value) === wanted };
  return { steps, matches: (value) => !isNothing(value) && String(value) !== wanted };
}

/** Values that say the same as leaving the field out; exported objects are full of them. */
function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isJsonObject(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === "";
}

interface Place {
  readonly depth: number;
  readonly path: FieldPath;
}

function firstUse(value: unknown, pattern: Pattern, place: Place): FieldPath | undefined {
  const step = pattern.steps[place.depth];
  if (step === undefined) return pattern.matches(value) ? place.path : undefined;
  for (const [key, child] of childrenOf(value, step)) {
    const found = firstUse(child, pattern, { depth: place.depth + 1, path: [...place.path, key] });
    if (found !== undefined) return found;
  }
  return undefined;
}

function childrenOf(value: unknown, step: string): readonly (readonly [string | number, unknown])[] {
  if (step === "[]") return Array.isArray(value) ? [...value.entries()] : [];
  if (!isJsonObject(value)) return [];
  if (step === "*") return Object.entries(value);
  return Object.hasOwn(value, step) ? [[step, value[step]]] : [];
}
