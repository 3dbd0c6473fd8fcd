// MeshConfig, the part we act on: text of ConfigMap istio-system/istio, key "mesh", as Istio reads it. Unknown fields are reported, not refused.

import { z } from "zod";
import { type FieldPath, printPath } from "../lib/field-path.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { guardJson, isJsonObject } from "./json.ts";
import { isCipherSuite } from "./networking/cipher-suites.ts";
import { duration } from "./scalars.ts";
import { fieldNamesAt, schemaFields } from "./schema-walk.ts";
import { accessLogFormatProblem, defaultTracing, meshTelemetryFields } from "./telemetry/mesh-telemetry.ts";
import { parseYaml } from "./yaml.ts";

/** Istio's (pkg/util/sets of security.ValidECDHCurves). Envoy 1.40 takes these, and refuses every listener and cluster for another one. */
const ecdhCurves = ["P-256", "P-384", "P-521", "X25519", "X25519MLKEM768"] as const;

const tlsParameters = z.object({
  minProtocolVersion: z.enum(["TLS_AUTO", "TLSV1_2", "TLSV1_3"]).optional(),
  cipherSuites: z.array(z.string().refine(isCipherSuite, "is no cipher suite of TLS 1.2 that Envoy takes")).optional(),
  ecdhCurves: z.array(z.enum(ecdhCurves)).optional(),
});

const meshConfigObject = z.object({
  trustDomain: z
    .string()
    .regex(/^[a-z0-9._-]{1,255}$/, "a trust domain has lower case letters, digits, dots, dashes and underscores")
    .optional(),
  trustDomainAliases: z.array(z.string().regex(/^[a-z0-9._-]{1,255}$/, "is no trust domain")).optional(),
  enableAutoMtls: z.boolean().optional(),
  meshMTLS: tlsParameters.optional(),
  tlsDefaults: tlsParameters.optional(),
  pathNormalization: z
    .object({ normalization: z.enum(["DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]).default("DEFAULT") })
    .optional(),
  outboundTrafficPolicy: z.object({ mode: z.enum(["ALLOW_ANY", "REGISTRY_ONLY"]).default("ALLOW_ANY") }).optional(),
  rootNamespace: z.string().optional(),
  connectTimeout: duration.optional(),
  protocolDetectionTimeout: duration.optional(),
  ...meshTelemetryFields,
  defaultHttpRetryPolicy: z.object({ attempts: z.number().int().min(0).default(2), retryOn: z.string().optional() }).optional(),
  defaultConfig: z
    .object({
      gatewayTopology: z.object({ numTrustedProxies: z.number().int().min(0).default(0) }).optional(),
      tracing: defaultTracing.optional(),
    })
    .optional(),
});

const meshConfigSchema = meshConfigObject.superRefine(({ accessLogFormat = "", accessLogEncoding = "TEXT" }, context) => {
  const message = accessLogFormatProblem(accessLogFormat, accessLogEncoding);
  if (message !== undefined) context.addIssue({ code: "custom", message, path: ["accessLogFormat"] });
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
    fix: severity === "error" ? "correct the value: with it none of these settings can be read" : "remove the field: it has no effect",
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
      diagnostics: parsed.error.issues.map(({ path, message }) =>
        problem(printPath(path.map((step) => (typeof step === "symbol" ? String(step) : step))), message, "error"),
      ),
    };
  }
  const unknown = unknownFields(raw, []).map(printPath);
  return { value: parsed.data, diagnostics: unknown.map((path) => problem(path, `MeshConfig.${path} isn't acted on yet`, "warning")) };
}

/** Every field that acts, as "defaultConfig.gatewayTopology.numTrustedProxies"; for the compatibility page. */
export function meshConfigFields(): readonly string[] {
  return schemaFields(meshConfigSchema).map(({ path }) => path);
}

/** Paths of fields that the schema doesn't have, at any depth. */
function unknownFields(value: unknown, at: FieldPath): readonly FieldPath[] {
  if (Array.isArray(value)) return value.flatMap((child, index) => unknownFields(child, [...at, index]));
  const known = new Set(fieldNamesAt(meshConfigSchema, at));
  if (known.size === 0 || !isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => (known.has(key) ? unknownFields(child, [...at, key]) : [[...at, key]]));
}
