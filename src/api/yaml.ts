// Reads YAML (and JSON, which is YAML): text in, plain values out, each with the position of every field for messages.

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from "yaml";
import type { FieldPath } from "../lib/field-path.ts";
import type { SourcePosition } from "./diagnostic.ts";
import type { Finding } from "./finding.ts";
import { maxDepth } from "./json.ts";
import { nestingOf } from "./yaml-nesting.ts";
import { yamlOptions } from "./yaml-schema.ts";
import { type DocumentText, documentTextsOf, maxDocumentLength } from "./yaml-text.ts";
import { offsetOf, plainValueOf } from "./yaml-value.ts";

export interface PositionedFinding {
  readonly finding: Finding;
  readonly position: SourcePosition;
}

export interface YamlDocument {
  /** Undefined when the document could not be read; then `findings` says why. */
  readonly value: unknown;
  readonly findings: readonly PositionedFinding[];
  /** Where the field, or the nearest thing around it that exists, stands in the file. */
  readonly positionOf: (path: FieldPath) => SourcePosition;
}

/** Tokens of one document; 1.5 MiB of ordinary YAML has about as many. */
const maxTokens = 300_000;

/** Most syntax errors reported of one document. */
const maxSyntaxErrors = 5;

/** Reads every document of a file; a bad one is reported and the others are read all the same. */
export function parseYaml(input: string | Uint8Array, file: string): readonly YamlDocument[] {
  const texts = documentTextsOf(input);
  const refused = texts.findings.map(({ finding, line, column }) => unreadable([{ finding, position: { file, line, column } }]));
  return [...refused, ...texts.documents.map((document) => documentOf(document, file))];
}

function unreadable(findings: readonly PositionedFinding[]): YamlDocument {
  const position = findings[0]?.position ?? { file: "", line: 1, column: 1 };
  return { value: undefined, findings, positionOf: () => position };
}

function documentOf({ text, firstLine }: DocumentText, file: string): YamlDocument {
  const start: SourcePosition = { file, line: firstLine, column: 1 };
  const tooMuch = excessOf(text);
  if (tooMuch !== undefined) return unreadable([{ finding: { code: "LTN0003", path: [], message: tooMuch }, position: start }]);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { ...yamlOptions, lineCounter });
  const at = (offset: number): SourcePosition => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: firstLine + Math.max(line, 1) - 1, column: Math.max(col, 1) };
  };
  const errors = [...document.errors, ...document.warnings].slice(0, maxSyntaxErrors).map((error) => ({
    finding: { code: "LTN0002" as const, path: [], message: sentence(error.message) },
    position: at(error.pos[0]),
  }));
  if (errors.length > 0) return unreadable(errors);
  const plain = plainValueOf(document.contents);
  const findings = plain.findings.map(({ code, message, offset }) => ({ finding: { code, path: [], message }, position: at(offset) }));
  if (findings.length > 0) return unreadable(findings);
  const positionOf = (path: FieldPath): SourcePosition => at(offsetAt(document.contents, path, plain.anchors));
  return { value: plain.value, findings: [], positionOf };
}

function excessOf(text: string): string | undefined {
  if (text.length > maxDocumentLength) return `the document is larger than ${maxDocumentLength / 1024 / 1024} MiB`;
  const nesting = nestingOf(text, { depth: maxDepth, tokens: maxTokens });
  if (nesting.depth > maxDepth) return `more than ${maxDepth} levels are nested`;
  if (nesting.tokens > maxTokens) return `the document has more than ${maxTokens} parts`;
  return undefined;
}

function sentence(message: string): string {
  const line = message.split("\n", 1)[0] ?? "";
  return line.length > 200 ? `${line.slice(0, 197)}…` : line;
}

function offsetAt(contents: unknown, path: FieldPath, anchors: ReadonlyMap<string, unknown>): number {
  let node = contents;
  let offset = offsetOf(contents);
  for (const step of path) {
    const target = isAlias(node) ? anchors.get(node.source) : node;
    const child = childOf(target, step);
    if (child === undefined) return offset;
    offset = child.offset;
    node = child.node;
  }
  return offset;
}

function childOf(node: unknown, step: string | number): { readonly node: unknown; readonly offset: number } | undefined {
  if (isSeq(node) && typeof step === "number") {
    const item = node.items[step];
    return item === undefined ? undefined : { node: item, offset: offsetOf(item) };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((candidate) => keyOf(candidate) === String(step));
  return pair === undefined ? undefined : { node: pair.value, offset: offsetOf(pair.key) };
}

function keyOf({ key }: Pair): string | undefined {
  return isScalar(key) ? (key.source ?? String(key.value ?? "")) : undefined;
}
