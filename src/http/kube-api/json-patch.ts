// JSON Patch (RFC 6902): a list of operations on a JSON value. Pure; the target is not changed, "__proto__" in a path is only a key.

import { z } from "zod";
import { MeshError } from "../../lib/errors.ts";
import { isJsonObject, sameJson } from "../../store/json.ts";

const operationSchema = z.discriminatedUnion("op", [
  z.object({ op: z.literal("add"), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("replace"), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("test"), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("remove"), path: z.string() }),
  z.object({ op: z.literal("move"), path: z.string(), from: z.string() }),
  z.object({ op: z.literal("copy"), path: z.string(), from: z.string() }),
]);

/** More operations than any client needs; each may copy the object. */
const patchSchema = z.array(operationSchema).max(1000);

type Operation = z.output<typeof operationSchema>;

/** Applies all operations or none. @throws MeshError bad_request for a broken patch, a missing place or a failed test. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  const operations = patchSchema.safeParse(patch);
  if (!operations.success) throw broken(operations.error.issues[0]?.message ?? "not a list of operations");
  return operations.data.reduce(applied, target);
}

function applied(target: unknown, operation: Operation): unknown {
  const path = pointer(operation.path);
  switch (operation.op) {
    case "add":
      return changed(target, path, { kind: "add", value: operation.value });
    case "replace":
      valueAt(target, path);
      return changed(target, path, { kind: "replace", value: operation.value });
    case "remove":
      valueAt(target, path);
      return changed(target, path, { kind: "remove" });
    case "copy":
      return changed(target, path, { kind: "add", value: valueAt(target, pointer(operation.from)) });
    case "move": {
      const value = valueAt(target, pointer(operation.from));
      return changed(changed(target, pointer(operation.from), { kind: "remove" }), path, { kind: "add", value });
    }
    case "test":
      if (!sameJson(valueAt(target, path), operation.value)) throw broken(`the test at ${operation.path} failed`);
      return target;
  }
}

type Change = { readonly kind: "add" | "replace"; readonly value: unknown } | { readonly kind: "remove" };

/** RFC 6901: "/spec/a~1b" is spec, then "a/b". */
function pointer(text: string): readonly string[] {
  if (text === "") return [];
  if (!text.startsWith("/")) throw broken(`"${text.slice(0, 80)}" is no JSON pointer`);
  const steps = text.slice(1).split("/");
  return steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function valueAt(target: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, step) => {
    const inner = Array.isArray(value) ? value[indexOf(step, value.length - 1)] : ownField(value, step);
    if (inner === undefined) throw broken(`there is nothing at /${path.join("/")}`);
    return inner;
  }, target);
}

function ownField(value: unknown, field: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
}

function changed(target: unknown, path: readonly string[], change: Change): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return change.kind === "remove" ? undefined : change.value;
  if (Array.isArray(target)) return changedList(target, { step, rest }, change);
  if (!isJsonObject(target)) throw broken(`there is nothing to change at "${step}"`);
  const fields = new Map<string, unknown>(Object.entries(target));
  if (rest.length > 0) fields.set(step, changed(ownField(target, step), rest, change));
  else if (change.kind === "remove") fields.delete(step);
  else fields.set(step, change.value);
  return Object.fromEntries(fields);
}

function changedList(
  list: readonly unknown[],
  { step, rest }: { step: string; rest: readonly string[] },
  change: Change,
): readonly unknown[] {
  const isInsertion = rest.length === 0 && change.kind === "add";
  const at = isInsertion && step === "-" ? list.length : indexOf(step, isInsertion ? list.length : list.length - 1);
  if (rest.length > 0) return list.with(at, changed(list[at], rest, change));
  if (change.kind === "remove") return list.toSpliced(at, 1);
  return change.kind === "add" ? list.toSpliced(at, 0, change.value) : list.with(at, change.value);
}

function indexOf(step: string, last: number): number {
  const index = /^(0|[1-9]\d{0,8})$/.test(step) ? Number(step) : -1;
  if (index < 0 || index > last) throw broken(`there is no item "${step}" in a list of ${last + 1}`);
  return index;
}

function broken(message: string): MeshError {
  return new MeshError("bad_request", `the JSON patch can't be applied: ${message}`, {
    fix: "Read the object again and correct the patch.",
  });
}
