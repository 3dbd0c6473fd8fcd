// Manifests in, checked resources and diagnostics out. The one way by which anything a user wrote enters the program.

import { type FieldPath, printPath } from "../lib/field-path.ts";
import { annotationFindings } from "./annotations.ts";
import type { Diagnostic, SourcePosition } from "./diagnostic.ts";
import { diagnosticOf, type Finding } from "./finding.ts";
import { deepFreeze, guardJson, isJsonObject, type JsonObject } from "./json.ts";
import { kindProblem } from "./kind-problem.ts";
import { notYetFindings } from "./not-yet.ts";
import { type AnyKind, type AnyResource, type KindName, kindOf } from "./registry.ts";
import { parseYaml, type YamlDocument } from "./yaml.ts";

/** A resource without errors; warnings about it are among the diagnostics. */
export interface ParsedResource {
  readonly kind: KindName;
  /** What the store keeps and kubectl sees: as written, without null fields, with its namespace. */
  readonly raw: JsonObject;
  /** What the pure core reads: durations parsed, defaults filled in, frozen. Narrow by `value.kind`. */
  readonly value: AnyResource;
  /** Where it begins; unset when it came by the API. */
  readonly position?: SourcePosition;
  /** Where one of its fields stands, for later findings (a path as printed in a Diagnostic); unset when it came by the API. */
  readonly locate?: (path: string) => SourcePosition;
}

export interface ParseResult {
  readonly resources: readonly ParsedResource[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface ManifestOptions {
  /** Shown in positions. */
  readonly file: string;
  /** For resources that name none; "default" when unset. */
  readonly defaultNamespace?: string;
}

/** Reads a file of YAML or JSON documents, Lists included. Bad objects are left out and reported; the others are returned. */
export function parseManifests(text: string | Uint8Array, options: ManifestOptions): ParseResult {
  return parseFiles([{ file: options.file, text }], options.defaultNamespace);
}

/** Reads several files as one: an object that stands in two of them counts once. */
export function parseFiles(
  files: readonly { readonly file: string; readonly text: string | Uint8Array }[],
  defaultNamespace = "default",
): ParseResult {
  const documents = files.flatMap(({ file, text }) => parseYaml(text, file));
  return withoutDuplicates(documents.flatMap((document) => readDocument(document, defaultNamespace)));
}

export interface ReadResult {
  /** Undefined when there was an error. */
  readonly resource: ParsedResource | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads one object that came by the HTTP API: the same limits, checks and messages, without positions. */
export function parseResource(input: unknown, options: { readonly defaultNamespace?: string } = {}): ReadResult {
  const guarded = guardJson(input);
  if (guarded.value === undefined) return refused(guarded.findings, nameOf(input), undefined);
  return readObject(guarded.value, { defaultNamespace: options.defaultNamespace ?? "default", source: undefined });
}

/** Where an object stands: in which document, and where inside of it. */
interface Source {
  readonly document: YamlDocument;
  readonly at: FieldPath;
}

interface ReadOptions {
  readonly defaultNamespace: string;
  readonly source: Source | undefined;
}

function readDocument(document: YamlDocument, defaultNamespace: string): readonly ReadResult[] {
  if (document.value === undefined) {
    return [{ resource: undefined, diagnostics: document.findings.map(({ finding, position }) => diagnosticOf(finding, "", position)) }];
  }
  if (document.value === null) return [];
  const guarded = guardJson(document.value);
  const source = { document, at: [] };
  if (guarded.value === undefined) return [refused(guarded.findings, nameOf(document.value), source)];
  const items = listItems(guarded.value);
  if (items === undefined) return [readObject(guarded.value, { defaultNamespace, source })];
  return items.map((item, index) => readObject(item, { defaultNamespace, source: { document, at: ["items", index] } }));
}

/** The items of a List ("List", "VirtualServiceList" …). */
function listItems(value: unknown): readonly unknown[] | undefined {
  if (!isJsonObject(value) || typeof value["kind"] !== "string" || !value["kind"].endsWith("List")) return undefined;
  const items = value["items"];
  return Array.isArray(items) ? items : undefined;
}

function readObject(object: unknown, options: ReadOptions): ReadResult {
  const problem = kindProblem(object);
  if (problem !== undefined || !isJsonObject(object)) {
    return refused(problem === undefined ? [] : [problem], nameOf(object), options.source);
  }
  const definition = kindOf(String(object["apiVersion"]), String(object["kind"]));
  if (definition === undefined) return refused([], nameOf(object), options.source);
  const raw = definition.namespaced ? withNamespace(object, options.defaultNamespace) : object;
  return readAs(definition, raw, options.source);
}

function readAs(definition: AnyKind, raw: JsonObject, source: Source | undefined): ReadResult {
  const reading = definition.read(raw);
  const findings = [...reading.findings, ...notYetFindings(raw, definition.notYet), ...annotationFindings(raw)];
  const diagnostics = diagnosticsOf(findings, nameOf(raw), source);
  if (reading.value === undefined || diagnostics.some(({ severity }) => severity === "error")) return { resource: undefined, diagnostics };
  const resource = { kind: definition.kind, raw, value: deepFreeze(reading.value) };
  if (source === undefined) return { resource, diagnostics };
  const locate = (path: string): SourcePosition => positionOfPrinted(raw, path, source);
  return { resource: { ...resource, position: source.document.positionOf(source.at), locate }, diagnostics };
}

function withNamespace(object: JsonObject, namespace: string): JsonObject {
  const metadata = object["metadata"];
  if (!isJsonObject(metadata) || (metadata["namespace"] !== undefined && metadata["namespace"] !== "")) return object;
  return { ...object, metadata: { ...metadata, namespace } };
}

function refused(findings: readonly Finding[], resource: string, source: Source | undefined): ReadResult {
  return { resource: undefined, diagnostics: diagnosticsOf(findings, resource, source) };
}

function diagnosticsOf(findings: readonly Finding[], resource: string, source: Source | undefined): readonly Diagnostic[] {
  if (source === undefined) return findings.map((finding) => diagnosticOf(finding, resource));
  return findings
    .map((finding) => ({ finding, position: source.document.positionOf([...source.at, ...finding.path]) }))
    .toSorted((a, b) => a.position.line - b.position.line || a.position.column - b.position.column)
    .map(({ finding, position }) => diagnosticOf(finding, resource, position));
}

/** Finds a printed path again: walks the object and follows the steps that print as its beginning. */
function positionOfPrinted(raw: unknown, printed: string, source: Source): SourcePosition {
  const path: (string | number)[] = [];
  let value = raw;
  for (;;) {
    const step = stepTowards(value, path, printed);
    if (step === undefined) return source.document.positionOf([...source.at, ...path]);
    path.push(step.key);
    value = step.value;
  }
}

function stepTowards(
  value: unknown,
  path: FieldPath,
  printed: string,
): { readonly key: string | number; readonly value: unknown } | undefined {
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? [...value.entries()]
    : isJsonObject(value)
      ? Object.entries(value)
      : [];
  const found = entries.find(([key]) => {
    const text = printPath([...path, key]);
    return printed === text || (printed.startsWith(text) && /^[.[]/.test(printed.slice(text.length)));
  });
  return found === undefined ? undefined : { key: found[0], value: found[1] };
}

/** "VirtualService shop/web" of whatever was written, as far as it can be told. */
function nameOf(object: unknown): string {
  if (!isJsonObject(object) || typeof object["kind"] !== "string") return "";
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  const { name, namespace } = { name: metadata["name"] ?? metadata["generateName"], namespace: metadata["namespace"] };
  const full = [namespace, name].filter((part) => typeof part === "string" && part !== "").join("/");
  return full === "" ? object["kind"] : `${object["kind"]} ${full}`;
}

function withoutDuplicates(results: readonly ReadResult[]): ParseResult {
  const resources = new Map<string, ParsedResource>();
  const diagnostics: Diagnostic[] = [];
  for (const { resource, diagnostics: own } of results) {
    diagnostics.push(...own);
    if (resource === undefined) continue;
    const name = nameOf(resource.raw);
    const first = resources.get(name);
    if (first === undefined) resources.set(name, resource);
    else diagnostics.push(duplicateOf(first, resource, name));
  }
  return { resources: [...resources.values()], diagnostics };
}

function duplicateOf(first: ParsedResource, second: ParsedResource, name: string): Diagnostic {
  const file = first.position?.file === second.position?.file ? "" : `${first.position?.file} `;
  const at = first.position === undefined ? "" : ` (${file}line ${first.position.line})`;
  return diagnosticOf(
    { code: "LTN0011", path: [], message: `${name} stands here a second time; the first one${at} counts` },
    name,
    second.position,
  );
}
