// lateen.yaml: what a cluster would know and a laptop doesn't: which command an image is, hosts outside the mesh, host ports of the gateway.
// Text in, value and Diagnostics out; relative folders are resolved against the file's own.

import { z } from "zod";
import type { Diagnostic, SourcePosition } from "../../api/diagnostic.ts";
import { diagnosticOf, type Finding } from "../../api/finding.ts";
import { guardJson } from "../../api/json.ts";
import { isDnsSubdomain } from "../../api/names.ts";
import { parseYaml } from "../../api/yaml.ts";
import type { FieldPath } from "../../lib/field-path.ts";

const argv = z.array(z.string().min(1)).min(1, "a command needs at least one word");
const port = z.number().int().min(1).max(65_535);

/** YAML takes the bare word for a boolean. */
const offWord = z.literal(false).transform(() => "off" as const);

const processSchema = z.strictObject({
  /** Argument vector, as a Dockerfile's ENTRYPOINT in its list form. */
  command: argv,
  /** Folder the command starts in, relative to lateen.yaml; default: its folder. */
  workingDir: z.string().default("."),
  /** Environment below the container's own. `${shared}` is a folder that all containers of the mesh and external hosts see. */
  env: z.record(z.string(), z.string()).default({}),
});

const externalSchema = processSchema.extend({
  ports: z.array(port).min(1),
  /** File with the CA certificates that the stand-in's certificate leads to; may begin with `${shared}`. Trusted for this host, in place of the system's. */
  caFile: z.string().optional(),
});

const lateenYamlSchema = z.strictObject({
  /** Image name → the process it is. */
  images: z.record(z.string(), processSchema).default({}),
  /** Host name → a process in a network namespace of its own, without sidecar, that stands in for a host outside the mesh. */
  external: z.record(z.string().refine(isDnsSubdomain, "not a host name in lower case"), externalSchema).default({}),
  gateway: z
    .strictObject({
      /** Gateway port → port on the host's loopback; 0 = any free one. */
      ports: z.record(z.string().regex(/^\d+$/, "not a port number"), z.number().int().min(0).max(65_535)).default({ "80": 8080 }),
    })
    .default({ ports: { "80": 8080 } }),
  metrics: z
    .strictObject({
      /** Port on the host's loopback with the metrics of the whole mesh; 0 = any free one, "off" = none. Unset: 15014, or any if that is taken. */
      port: z.union([z.number().int().min(0).max(65_535), z.literal("off"), offWord]).optional(),
    })
    .default({}),
});

export type LateenYaml = z.output<typeof lateenYamlSchema>;
export type ImageProcess = z.output<typeof processSchema>;

/** What is used when there is no lateen.yaml. */
export const emptyLateenYaml: LateenYaml = lateenYamlSchema.parse({});

export interface LateenYamlResult {
  readonly value: LateenYaml | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the text of a lateen.yaml, within the same limits as a manifest; `value` is undefined when something in it is wrong. */
export function parseLateenYaml(text: string, file: string): LateenYamlResult {
  const documents = parseYaml(text, file);
  const unreadable = documents.flatMap(({ findings }) => findings);
  if (unreadable.length > 0) return refused(unreadable.map(({ finding, position }) => diagnosticOf(finding, resource, position)));
  const [document, second] = documents;
  if (document === undefined) return { value: emptyLateenYaml, diagnostics: [] };
  if (second !== undefined) {
    return refused([
      problem({ path: [], message: "the file has more than one document", fix: "keep one document" }, second.positionOf([])),
    ]);
  }
  const guarded = guardJson(document.value ?? {});
  const at = document.positionOf;
  if (guarded.value === undefined) return refused(guarded.findings.map((finding) => diagnosticOf(finding, resource, at(finding.path))));
  const parsed = lateenYamlSchema.safeParse(guarded.value);
  if (parsed.success) return { value: parsed.data, diagnostics: [] };
  return refused(parsed.error.issues.map((issue) => schemaProblem(issue, at)));
}

const resource = "lateen.yaml";

function refused(diagnostics: readonly Diagnostic[]): LateenYamlResult {
  return { value: undefined, diagnostics };
}

function schemaProblem(issue: z.core.$ZodIssue, at: (path: FieldPath) => SourcePosition): Diagnostic {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
  const cause = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const place = at([...path, ...unknown.slice(0, 1)]);
  if (unknown.length === 0) return problem({ path, message: cause, fix: "correct the value, or remove it to use the default" }, place);
  const message = `unknown field ${unknown.map((key) => `\`${key}\``).join(", ")}`;
  return problem({ path, message, fix: "lateen.yaml has images, external, gateway and metrics; see the README" }, place);
}

function problem(finding: Omit<Finding, "code">, position: SourcePosition): Diagnostic {
  return diagnosticOf({ code: "LTN0900", ...finding }, resource, position);
}
