// MeshConfig, the part we act on: text of ConfigMap istio-system/istio, key "mesh", as Istio reads it. Unknown fields are reported, not refused.

import { z } from "zod";
import type { Diagnostic } from "./diagnostic.ts";
import { guardJson, isJsonObject } from "./json.ts";
import { duration } from "./scalars.ts";
import { parseYaml } from "./yaml.ts";

const meshConfigSchema = z.object({
  outboundTrafficPolicy: z.object({ mode: z.enum(["ALLOW_ANY", "REGISTRY_ONLY"]).default("ALLOW_ANY") }).optional(),
  rootNamespace: z.string().optional(),
  connectTimeout: duration.optional(),
  protocolDetectionTimeout: duration.optional(),
  accessLogFile: z.string().optional(),
  accessLogFormat: z.string().optional(),
  defaultHttpRetryPolicy: z.object({ attempts: z.number().int().min(0).default(2), retryOn: z.string().optional() }).optional(),
  defaultConfig: z.object({ gatewayTopology: z.object({ numTrustedProxies: z.number().int().min(0).default(0) }).optional() }).optional(),
});

export type MeshConfig = z.output<typeof meshConfigSchema>;

/** Namespace, name and key of the ConfigMap that holds the MeshConfig (Istio's default). */
export const meshConfigPlace = { namespace: "istio-system", name: "istio", key: "mesh" } as const;

export interface MeshConfigResult {
  /** What could be read; empty when the text is wrong, so the defaults hold. */
  readonly value: MeshConfig;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the text of a MeshConfig. */
export function parseMeshConfig(text: string): MeshConfigResult {
  const resource = `ConfigMap ${meshConfigPlace.namespace}/${meshConfigPlace.name}`;
  const problem = (path: string, message: string, severity: Diagnostic["severity"]): Diagnostic => ({
    code: severity === "error" ? "LTN0901" : "LTN0902",
    severity,
    resource,
    path: path === "" ? "data.mesh" : `data.mesh.${path}`,
    message,
    fix: severity === "error" ? "correct the value; until then the mesh's defaults hold" : "remove the field: it has no effect",
  });
  // The text comes from a ConfigMap, so it passes the same limits as a manifest.
  const [document] = parseYaml(text, meshConfigPlace.key);
  const refusal = document?.findings[0]?.finding;
  if (refusal !== undefined) return { value: {}, diagnostics: [problem("", refusal.message, "error")] };
  const guarded = guardJson(document?.value ?? {});
  const dangerous = guarded.findings[0];
  if (dangerous !== undefined) return { value: {}, diagnostics: [problem("", dangerous.message, "error")] };
  const raw = guarded.value;
  const parsed = meshConfigSchema.safeParse(raw);
  if (!parsed.success) {
    return {
      value: {},
      diagnostics: parsed.error.issues.map(({ path, message }) => problem(path.map(String).join("."), message, "error")),
    };
  }
  const unknown = unknownFields(raw, meshConfigSchema, "");
  return { value: parsed.data, diagnostics: unknown.map((path) => problem(path, `MeshConfig.${path} isn't acted on yet`, "warning")) };
}

/** Paths of fields that the schema doesn't have, at any depth. */
function unknownFields(value: unknown, schema: z.ZodType, at: string): readonly string[] {
  const inner = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? schema.unwrap() : schema;
  if (!(inner instanceof z.ZodObject) || !isJsonObject(value)) return [];
  const fields = new Map<string, unknown>(Object.entries(inner.shape));
  return Object.entries(value).flatMap(([key, child]) => {
    const path = at === "" ? key : `${at}.${key}`;
    const field = fields.get(key);
    return field instanceof z.ZodType ? unknownFields(child, field, path) : [path];
  });
}
