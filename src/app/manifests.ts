// Manifests from files, folders or stdin: read and parsed; what is wrong in one never stops the others.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, relative, resolve } from "node:path";
import type { Diagnostic } from "../api/diagnostic.ts";
import { type ParsedResource, parseFiles } from "../api/parse.ts";
import { BadInput } from "../lib/errors.ts";
import { readStdin } from "./read-stdin.ts";

const manifestExtensions = new Set([".yaml", ".yml", ".json"]);
/** What lies among manifests and isn't one. */
const notManifests = new Set(["lateen.yaml", "lateen.yml", "package.json", "package-lock.json", "tsconfig.json"]);

export interface Manifests {
  readonly resources: readonly ParsedResource[];
  readonly diagnostics: readonly Diagnostic[];
  readonly files: readonly string[];
}

/**
 * Reads the files, and in folders every .yaml, .yml and .json file but lateen.yaml; "-" is stdin.
 *
 * @throws BadInput when a path doesn't exist, can't be read, or a folder holds no manifest.
 */
export function readManifests(paths: readonly string[], options: { readonly namespace: string; readonly cwd: string }): Manifests {
  const named = paths.flatMap((path) => (path === "-" ? ["-"] : filesOf(path)));
  const files = [...new Map(named.map((file) => [file === "-" ? file : resolve(options.cwd, file), file])).values()];
  const texts = files.map((file) => ({
    file: file === "-" ? "<stdin>" : shortest(relative(options.cwd, file), file),
    text: readText(file),
  }));
  const { resources, diagnostics } = parseFiles(texts, options.namespace);
  return { resources: resources.toSorted((a, b) => applyRank(a.kind) - applyRank(b.kind)), diagnostics, files };
}

function shortest(a: string, b: string): string {
  return a !== "" && a.length < b.length ? a : b;
}

function filesOf(path: string): readonly string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new BadInput(`there is no file or folder ${path}`, { fix: "check the path after -f" });
  if (!stat.isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const found = entries
    .filter((entry) => entry.isFile() && manifestExtensions.has(extname(entry.name)) && !notManifests.has(entry.name))
    .map((entry) => join(path, entry.name));
  if (found.length === 0) {
    throw new BadInput(`the folder ${path} holds no manifest`, { fix: "name a folder with .yaml, .yml or .json files" });
  }
  return found;
}

function readText(file: string): Uint8Array {
  try {
    return file === "-" ? readStdin() : readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BadInput(`${file} can't be read: ${reason}`, { fix: "check the file and its permissions" });
  }
}

/** Kinds that others refer to come first, so that nothing starts before what it names is there. */
const applyOrder = [
  "Namespace",
  "ServiceAccount",
  "ConfigMap",
  "Secret",
  "Service",
  "ServiceEntry",
  "DestinationRule",
  "Gateway",
  "VirtualService",
];

function applyRank(kind: string): number {
  const rank = applyOrder.indexOf(kind);
  return rank === -1 ? applyOrder.length : rank;
}

/** One line for a person: "file:line:column: error LTN0101 VirtualService default/web spec.http[0]: message", then the fix. */
export function printDiagnostic(diagnostic: Diagnostic): string {
  const { position, severity, code, resource, path, message, fix } = diagnostic;
  const place = position === undefined ? "" : `${position.file}:${position.line}:${position.column}: `;
  const where = [resource, path].filter((text) => text !== "").join(" ");
  return `${place}${severity} ${code}${where === "" ? "" : ` ${where}`}: ${message}\n  fix: ${fix}`;
}
