// A request's path as Envoy's filters see it under each of MeshConfig's pathNormalization. BASE: RFC 3986 dot segments, backslashes,
// percent-encodings of unreserved characters; encoded and double slashes stay. Compared with a real Envoy, character by character.

import type { PathNormalization } from "../../model/mesh.ts";

/** The path a policy is compared with, or undefined when Envoy answers 400 to it. BASE is the default. */
export function normalizePath(path: string, level: PathNormalization = "BASE"): { readonly path: string } | undefined {
  if (!path.startsWith("/") || !/^[\x21-\x7e]+$/.test(path) || path.includes("#")) return undefined;
  const [raw = ""] = path.split("?");
  if (level === "NONE") return { path: raw };
  const base = basePath(level === "DECODE_AND_MERGE_SLASHES" ? decodedSlashes(raw) : raw);
  if (base === undefined || level === "BASE") return base;
  return { path: mergedSlashes(base.path) };
}

/** Envoy keeps a slash at either end, so of a path of nothing but slashes two remain. */
function mergedSlashes(path: string): string {
  return /^\/{2,}$/.test(path) ? "//" : path.replace(/\/{2,}/g, "/");
}

function decodedSlashes(raw: string): string {
  return raw.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
}

function basePath(raw: string): { readonly path: string } | undefined {
  if (raw.includes("%00")) return undefined;
  const plain = decodeUnreserved(withoutDotParameters(raw).replaceAll("\\", "/")).replace(/["<>^`{|}]/g, encode);
  return { path: withoutDotSegments(plain) };
}

/** Envoy drops the path parameters of literal dot segments first ("..;x"), so encoded ones keep theirs and are no dot segments. */
function withoutDotParameters(path: string): string {
  return path
    .split("/")
    .map((segment) => /^\.\.?(?=;)/.exec(segment)?.[0] ?? segment)
    .join("/");
}

/**
 * Letters, digits, "-", ".", "_" and "~" never need their encoding, so it is undone; everything else keeps it as it was sent. A percent sign
 * that encodes nothing stays too, but where undoing would give it something to encode ("%4%31"), it becomes "%25".
 */
function decodeUnreserved(raw: string): string {
  let out = "";
  let loosePercent = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < raw.length; index += 1) {
    const triplet = raw.slice(index, index + 3);
    if (!/^%[0-9a-fA-F]{2}$/.test(triplet)) {
      if (raw[index] === "%") loosePercent = out.length;
      out += raw[index];
      continue;
    }
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    const isUnreserved = /[-A-Za-z0-9._~]/.test(character);
    out += isUnreserved ? character : triplet;
    index += 2;
    if (isUnreserved && loosePercent >= out.length - 3) out = withoutNestedEncoding(out, loosePercent, raw[index + 1] ?? "");
  }
  return out;
}

function withoutNestedEncoding(out: string, percent: number, next: string): string {
  const digits = out.slice(percent + 1);
  const isEncoding = /^[0-9a-fA-F]{2}$/.test(digits.length === 1 ? digits + next : digits);
  return isEncoding ? `${out.slice(0, percent)}%25${digits}` : out;
}

function encode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.slice(1).split("/");
  for (const [index, segment] of segments.entries()) {
    if (segment === "..") kept.pop();
    if (segment !== "." && segment !== "..") kept.push(segment);
    else if (index === segments.length - 1) kept.push("");
  }
  return `/${kept.join("/")}`;
}
