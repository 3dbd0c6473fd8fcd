// From bytes to separate YAML documents: encoding, size limits, and the cut at "---", so that one bad document never stops others.

import type { Finding } from "./finding.ts";

/** Largest file read; more is no manifest. */
export const maxFileBytes = 32 * 1024 * 1024;

/** Largest single document, in UTF-16 units; Kubernetes stores at most 1.5 MiB per object. */
export const maxDocumentLength = 2 * 1024 * 1024;

/** Most documents in one file. */
export const maxDocuments = 10_000;

export interface DocumentText {
  readonly text: string;
  /** Line of the file on which it begins, from 1. */
  readonly firstLine: number;
}

export interface DocumentTexts {
  readonly documents: readonly DocumentText[];
  readonly findings: readonly { readonly finding: Finding; readonly line: number; readonly column: number }[];
}

/** Decodes a file and cuts it into documents; empty ones and those of comments only are left out. */
export function documentTextsOf(input: string | Uint8Array): DocumentTexts {
  if (input.length > maxFileBytes) return refusal("LTN0003", `the file is larger than ${maxFileBytes / 1024 / 1024} MiB`);
  const decoded = typeof input === "string" ? input : decode(input);
  if (decoded === undefined || !decoded.isWellFormed()) return refusal("LTN0001", "the file is not UTF-8 text");
  const text = decoded.startsWith("\uFEFF") ? decoded.slice(1) : decoded;
  const control = controlCharacterIn(text);
  if (control !== undefined) {
    const before = text.slice(0, control);
    const line = before.split("\n").length;
    const code = text.charCodeAt(control).toString(16).toUpperCase().padStart(4, "0");
    return refusal("LTN0001", `the file contains the control character U+${code}`, { line, column: control - before.lastIndexOf("\n") });
  }
  return cut(text);
}

function refusal(code: "LTN0001" | "LTN0003", message: string, at = { line: 1, column: 1 }): DocumentTexts {
  return { documents: [], findings: [{ finding: { code, path: [], message }, ...at }] };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Index of the first character that has no place in a text file (NUL above all). */
function controlCharacterIn(text: string): number | undefined {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if ((unit < 0x20 && unit !== 0x09 && unit !== 0x0a && unit !== 0x0d) || unit === 0x7f) return index;
  }
  return undefined;
}

function cut(text: string): DocumentTexts {
  const documents: DocumentText[] = [];
  let start = { offset: 0, line: 1 };
  let line = 1;
  const close = (end: number): void => {
    const piece = text.slice(start.offset, end);
    if (hasContent(piece)) documents.push({ text: piece, firstLine: start.line });
  };
  for (let offset = 0; offset < text.length; line += 1) {
    const lineEnd = text.indexOf("\n", offset);
    const next = lineEnd < 0 ? text.length : lineEnd + 1;
    if (offset > start.offset && isMarker(text, offset)) {
      close(offset);
      start = { offset, line };
    }
    offset = next;
  }
  close(text.length);
  if (documents.length > maxDocuments) return refusal("LTN0003", `the file has more than ${maxDocuments} documents`);
  return { documents, findings: [] };
}

/** "---" or "..." at the beginning of a line ends a document wherever it stands (YAML 1.2, 9.1.2). */
function isMarker(text: string, offset: number): boolean {
  const mark = text.slice(offset, offset + 4);
  return (mark.startsWith("---") || mark.startsWith("...")) && (mark.length === 3 || /\s/.test(mark.charAt(3)));
}

function hasContent(piece: string): boolean {
  return piece.split("\n").some((line) => /^\s*[^\s#%]/.test(line.replace(/^(?:---|\.\.\.)(?=\s|$)/, "")));
}
