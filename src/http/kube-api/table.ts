// meta.k8s.io/v1 Table, which kubectl get asks for: a kind's columns and one row per object. Pure.

import { isJsonObject } from "../../store/json.ts";
import type { JsonObject, RawResource, Stored } from "../../store/store.ts";
import type { Target } from "./target.ts";

/** True when an Accept header prefers a Table. */
export function wantsTable(accept: string | undefined): boolean {
  return (accept ?? "").split(",").some((type) => type.includes("as=Table") && type.includes("v=v1;") && type.includes("g=meta.k8s.io"));
}

/** The table of these objects; ages are counted up to `now` (epoch milliseconds). */
export function tableOf(
  objects: readonly Stored[],
  target: Target,
  request: { readonly now: number; readonly revision: number },
): JsonObject {
  const columns = target.definition.columns;
  const definitions = [
    { name: "Name", type: "string", format: "name", description: "", priority: 0 },
    ...columns.map(({ name }) => ({ name, type: "string", format: "", description: "", priority: 0 })),
    { name: "Age", type: "string", format: "", description: "", priority: 0 },
  ];
  // Cells come from the parsed value, which has the defaults that a manifest leaves out.
  const rows = objects.map(({ name, raw, value }) => ({
    cells: [name, ...columns.map(({ path }) => cell(value, path)), ageOf(raw, request.now)],
    object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: raw.metadata },
  }));
  const metadata = { resourceVersion: String(request.revision) };
  return { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata, columnDefinitions: definitions, rows };
}

function cell(object: unknown, path: string): string {
  const value = path.split(".").reduce<unknown>((inner, field) => (isJsonObject(inner) ? inner[field] : undefined), object);
  if (value === undefined) return "<none>";
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : JSON.stringify(value);
}

const units = [
  { name: "d", seconds: 86_400 },
  { name: "h", seconds: 3600 },
  { name: "m", seconds: 60 },
] as const;

/** "42s", "5m", "3h", "2d", as kubectl prints ages (its HumanDuration without the second unit). */
function ageOf({ metadata }: RawResource, now: number): string {
  const created = Date.parse(metadata.creationTimestamp ?? "");
  if (Number.isNaN(created)) return "<unknown>";
  const seconds = Math.max(0, Math.floor((now - created) / 1000));
  const unit = units.find((candidate) => seconds >= candidate.seconds * 2);
  return unit === undefined ? `${seconds}s` : `${Math.floor(seconds / unit.seconds)}${unit.name}`;
}
