// lateen.yaml: what a cluster would know and a laptop doesn't: which command an image is, hosts outside the mesh, host ports of the gateway.
// Text in, value and Diagnostics out; relative folders are resolved against the file's own.

import { isMap, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { Diagnostic, SourcePosition } from "../../api/diagnostic.ts";
import { printPath } from "../../lib/field-path.ts";

const argv = z.array(z.string().min(1)).min(1, "a command needs at least one word");
const port = z.number().int().min(1).max(65_535);

const processSchema = z.strictObject({
  /** Argument vector, as a Dockerfile's ENTRYPOINT in its list form. */
  command: argv,
  /** Folder the command starts in, relative to lateen.yaml; default: its folder. */
  workingDir: z.string().default("."),
  /** Environment below the container's own. `${shared}` is a folder that all containers of the mesh and external hosts see. */
  env: z.record(z.string(), z.string()).default({}),
});

const lateenYamlSchema = z.strictObject({
  /** Image name → the process it is. */
  images: z.record(z.string(), processSchema).default({}),
  /** Host name → a process in a network namespace of its own, without sidecar, that stands in for a host outside the mesh. */
  external: z.record(z.string(), processSchema.extend({ ports: z.array(port).min(1) })).default({}),
  gateway: z
    .strictObject({
      /** Gateway port → port on the host's loopback; 0 = any free one. */
      ports: z.record(z.string().regex(/^\d+$/, "a port number"), z.number().int().min(0).max(65_535)).default({ "80": 8080 }),
    })
    .default({ ports: { "80": 8080 } }),
});

export type LateenYaml = z.output<typeof lateenYamlSchema>;
export type ImageProcess = z.output<typeof processSchema>;

/** What is used when there is no lateen.yaml. */
export const emptyLateenYaml: LateenYaml = lateenYamlSchema.parse({});

export interface LateenYamlResult {
  readonly value: LateenYaml | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the text of a lateen.yaml; `value` is undefined when something in it is wrong. */
export function parseLateenYaml(text: string, file: string): LateenYamlResult {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number): SourcePosition => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    return { value: undefined, diagnostics: [problem("", firstLine(syntax.message), "correct the YAML at this place", at(syntax.pos[0]))] };
  }
  const parsed = lateenYamlSchema.safeParse(document.toJS({ maxAliasCount: 0 }) ?? {});
  if (parsed.success) return { value: parsed.data, diagnostics: [] };
  const diagnostics = parsed.error.issues.map((issue) => {
    const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
    const message = unknown.length > 0 ? `unknown field ${unknown.map((key) => `\`${key}\``).join(", ")}` : issue.message;
    const fix =
      unknown.length > 0
        ? "lateen.yaml has images, external and gateway; see the README"
        : "correct the value, or remove it to use the default";
    return problem(printPath(path), message, fix, at(offsetOf(document.contents, [...path, ...unknown.slice(0, 1)])));
  });
  return { value: undefined, diagnostics };
}

function problem(path: string, message: string, fix: string, position: SourcePosition): Diagnostic {
  return { code: "LTN0900", severity: "error", resource: "lateen.yaml", path, message, fix, position };
}

function firstLine(text: string): string {
  return text.split("\n")[0]?.replace(/ at line \d+.*$/, "") ?? text;
}

/** Where the deepest node on the path begins. */
function offsetOf(node: unknown, path: readonly (string | number)[]): number {
  let current = node;
  let offset = 0;
  for (const step of path) {
    if (!isMap(current)) break;
    const pair = current.items.find((item) => String(item.key) === String(step));
    if (pair === undefined) break;
    const range = (pair.key as { range?: readonly number[] | null } | null)?.range;
    offset = range?.[0] ?? offset;
    current = pair.value;
  }
  return offset;
}
