// The fields of MeshConfig that telemetry reads: access logs, trace sampling, providers. Parsed by mesh-config.ts; what they come to is in
// model/telemetry-settings.ts. Names and defaults: istio/api mesh/v1alpha1/config.proto.

import { z } from "zod";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { port } from "../scalars.ts";
import { unknownCommand } from "../substitution-format.ts";
import { customTag } from "./telemetry.ts";
import { checkCustomTag } from "./telemetry-checks.ts";

/** What an access log's format may not have: over one command that Envoy doesn't know every proxy would refuse every listener. */
function formatProblem(format: string): string | undefined {
  const unknown = unknownCommand(format);
  if (unknown === undefined) return undefined;
  return `${JSON.stringify(unknown)} is no command that Envoy knows: write "%%" for a percent sign, or for example "%REQ(:PATH)%"`;
}

const textFormat = z.string().superRefine((format, context) => {
  const problem = formatProblem(format);
  if (problem !== undefined) context.addIssue(problem);
});

/** What is wrong with a JSON format; every text in it is a format of its own. */
function jsonFormatProblem(value: unknown): string | undefined {
  if (typeof value === "string") return formatProblem(value);
  if (value === null) return "has null, which no format has";
  if (typeof value !== "object") return undefined;
  return Object.values(value)
    .map(jsonFormatProblem)
    .find((problem) => problem !== undefined);
}

const jsonFormat = z.record(z.string(), z.unknown()).superRefine((format, context) => {
  const problem = jsonFormatProblem(format);
  if (problem !== undefined) context.addIssue(problem);
});

/** The text of a JSON format as an object; undefined when it is none. */
export function parseJsonFormat(text: string): JsonObject | undefined {
  try {
    const value: JsonValue = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with MeshConfig.accessLogFormat, which is text, or with JSON encoding the text of an object. */
export function accessLogFormatProblem(format: string, encoding: "TEXT" | "JSON"): string | undefined {
  if (format === "" || encoding === "TEXT") return formatProblem(format);
  const object = parseJsonFormat(format);
  if (object === undefined) return 'is no JSON object, for example {"path": "%REQ(:PATH)%"}';
  return jsonFormatProblem(object);
}

const tags = z.record(z.string(), customTag).superRefine((all, context) => {
  for (const { message } of Object.entries(all).flatMap(([name, tag]) => checkCustomTag(name, tag, [name]))) context.addIssue(message);
});

/** Host of a Service or ServiceEntry, "<namespace>/<host>" for one namespace's view. */
const destination = { service: z.string().min(1), port };

const provider = z.object({
  name: z.string().regex(/^[!-~]{1,200}$/, "is no name: letters, digits and punctuation, at most 200"),
  envoyFileAccessLog: z
    .object({
      path: z.string().min(1).default("/dev/stdout"),
      /** Istio's default text without either. */
      logFormat: z.object({ text: textFormat.optional(), labels: jsonFormat.optional() }).optional(),
      omitEmptyValues: z.boolean().optional(),
    })
    .optional(),
  /** Spans by OTLP; over gRPC unless `http` is there. */
  opentelemetry: z.object({ ...destination, http: z.object({ path: z.string().optional() }).optional() }).optional(),
  /** Spans as Zipkin's JSON, version 2. */
  zipkin: z.object({ ...destination, path: z.string().optional() }).optional(),
  /** Metrics are always there to be scraped. */
  prometheus: z.object({}).optional(),
});

export const meshTelemetryFields = {
  accessLogFile: z.string().optional(),
  accessLogEncoding: z.enum(["TEXT", "JSON"]).optional(),
  accessLogFormat: z.string().optional(),
  enableTracing: z.boolean().optional(),
  extensionProviders: z.array(provider).optional(),
  defaultProviders: z
    .object({
      accessLogging: z.array(z.string()).optional(),
      tracing: z.array(z.string()).optional(),
      metrics: z.array(z.string()).optional(),
    })
    .optional(),
};

/** MeshConfig.defaultConfig.tracing. */
export const defaultTracing = z.object({ sampling: z.number().min(0).max(100).optional(), customTags: tags.optional() });

export type ExtensionProvider = z.output<typeof provider>;
