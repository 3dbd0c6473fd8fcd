// MeshConfig → what the mesh's telemetry is made of: where access logs can be written, where spans can be sent, what holds without any Telemetry.

import type { JsonObject } from "../api/json.ts";
import type { MeshConfig } from "../api/mesh-config.ts";
import { type ExtensionProvider, parseJsonFormat } from "../api/telemetry/mesh-telemetry.ts";
import type { TelemetryCustomTag } from "../api/telemetry/telemetry.ts";
import { memoObject } from "./memo.ts";
import type { MeshSettings } from "./mesh.ts";
import { compare } from "./visibility.ts";

/** How a line is written; "" and undefined are Istio's default format in that encoding. */
export type AccessLogFormat =
  | { readonly encoding: "TEXT"; readonly format: string }
  | { readonly encoding: "JSON"; readonly format: JsonObject | undefined };

/** A file that proxies can write access logs to. Runtime keys say which ones a proxy writes of those that it knows. */
export interface AccessLogSink {
  /** Name of the provider; undefined for MeshConfig.accessLogFile, where that is another file than provider "envoy" writes to. */
  readonly provider: string | undefined;
  readonly path: string;
  readonly format: AccessLogFormat;
  readonly omitEmptyValues: boolean;
  /** Whether it is written to while its runtime key is missing. */
  readonly isOnByDefault: boolean;
}

/** Where spans are forwarded to, besides the control plane, which keeps the recent ones. */
export interface TraceProvider {
  readonly name: string;
  readonly protocol: "otlp-grpc" | "otlp-http" | "zipkin";
  /** Host of a Service or ServiceEntry; "<namespace>/<host>" for that namespace's view. */
  readonly service: string;
  readonly port: number;
  /** Of the request: /v1/traces for OTLP over HTTP, /api/v2/spans for Zipkin; "" over gRPC. */
  readonly path: string;
}

/** A tag of spans, from exactly one source. */
export interface TraceTag {
  readonly name: string;
  readonly source: TelemetryCustomTag;
}

/** Tracing of one side of a proxy, as far as it stands in its listeners. */
export interface SideTracing {
  /** Sorted by name. */
  readonly tags: readonly TraceTag[];
  /** Percent of traces begun here; undefined where the runtime key tracing.random_sampling says it, which is the rule. */
  readonly sampling: number | undefined;
  /** Whether no spans are made here, and what came of a trace passes on as it is. */
  readonly isOff: boolean;
  /** Whether B3 headers are read and given beside W3C's. */
  readonly b3: boolean;
}

/** What stands in listeners: changes of it replace them. */
export interface ListenerTelemetry {
  readonly inbound: SideTracing;
  readonly outbound: SideTracing;
  /**
   * Providers whose files these proxies know, sorted. Files may be impossible to open, and Envoy then refuses the listener: only proxies that are
   * told to use such a provider depend on it. The standard streams are known to all.
   */
  readonly files: readonly string[];
}

/** MeshConfig's part of telemetry. */
export interface TelemetrySettings {
  /** Sorted by name; MeshConfig.extensionProviders with envoyFileAccessLog. */
  readonly fileLogs: readonly FileLog[];
  /** Sorted by name. */
  readonly traceProviders: readonly TraceProvider[];
  /** Names of all other providers; "prometheus" is built in. */
  readonly otherProviders: readonly string[];
  /** Istio: none but prometheus for metrics. */
  readonly defaultProviders: {
    readonly accessLogging: readonly string[];
    readonly tracing: readonly string[];
    readonly metrics: readonly string[];
  };
  /** Istio: true. */
  readonly enableTracing: boolean;
  /** Percent; Istio: 1 (PILOT_TRACE_SAMPLING). */
  readonly sampling: number;
  /** Sorted by name. */
  readonly tags: readonly TraceTag[];
  /** Whether provider "envoy" is there; only tests leave it out. */
  readonly hasBuiltInLog: boolean;
}

interface FileLog {
  readonly name: string;
  readonly path: string;
  /** Undefined: as the mesh's log (provider "envoy"), else Istio's default text. */
  readonly format: AccessLogFormat | undefined;
  readonly omitEmptyValues: boolean;
}

/** Istio's built-in provider of access logs: /dev/stdout in the mesh's format. */
const builtInLogProvider = "envoy";
/** Istio's built-in provider of metrics. */
export const builtInMetricsProvider = "prometheus";

/** Without any MeshConfig. */
export const defaultTelemetrySettings: TelemetrySettings = {
  fileLogs: [],
  traceProviders: [],
  otherProviders: [],
  defaultProviders: { accessLogging: [], tracing: [], metrics: [builtInMetricsProvider] },
  enableTracing: true,
  sampling: 1,
  tags: [],
  hasBuiltInLog: true,
};

/** What a MeshConfig says about telemetry. */
export function telemetrySettingsOf(config: MeshConfig): TelemetrySettings {
  const providers = (config.extensionProviders ?? []).toSorted((a, b) => compare(a.name, b.name));
  const fileLogs = providers.flatMap(fileLogOf);
  const traceProviders = providers.flatMap(traceProviderOf);
  const known = new Set([...fileLogs, ...traceProviders].map(({ name }) => name));
  const standard = defaultTelemetrySettings;
  const tracing = config.defaultConfig?.tracing;
  return {
    fileLogs,
    traceProviders,
    otherProviders: providers.map(({ name }) => name).filter((name) => !known.has(name)),
    defaultProviders: {
      accessLogging: config.defaultProviders?.accessLogging ?? standard.defaultProviders.accessLogging,
      tracing: config.defaultProviders?.tracing ?? standard.defaultProviders.tracing,
      metrics: config.defaultProviders?.metrics ?? standard.defaultProviders.metrics,
    },
    enableTracing: config.enableTracing ?? standard.enableTracing,
    sampling: tracing?.sampling ?? standard.sampling,
    tags: traceTagsOf(tracing?.customTags ?? {}),
    hasBuiltInLog: standard.hasBuiltInLog,
  };
}

/** Tags sorted by name. */
export function traceTagsOf(tags: Readonly<Record<string, TelemetryCustomTag>>): readonly TraceTag[] {
  return Object.entries(tags)
    .map(([name, source]) => ({ name, source }))
    .toSorted((a, b) => compare(a.name, b.name));
}

function fileLogOf({ name, envoyFileAccessLog }: ExtensionProvider): readonly FileLog[] {
  if (envoyFileAccessLog === undefined) return [];
  const { path, logFormat, omitEmptyValues = false } = envoyFileAccessLog;
  return [{ name, path, format: formatOf(logFormat), omitEmptyValues }];
}

function formatOf(
  given: { readonly text?: string | undefined; readonly labels?: object | undefined } | undefined,
): AccessLogFormat | undefined {
  if (given === undefined) return undefined;
  if (given.labels === undefined) return { encoding: "TEXT", format: given.text ?? "" };
  // Plain JSON already: the schema took it from YAML.
  return { encoding: "JSON", format: jsonFormatOf(JSON.stringify(given.labels)) };
}

/** Istio: an empty object is the default format. */
function jsonFormatOf(text: string): JsonObject | undefined {
  const object = parseJsonFormat(text);
  return object === undefined || Object.keys(object).length === 0 ? undefined : object;
}

function traceProviderOf({ name, opentelemetry, zipkin }: ExtensionProvider): readonly TraceProvider[] {
  if (opentelemetry !== undefined) {
    const { service, port, http } = opentelemetry;
    if (http === undefined) return [{ name, protocol: "otlp-grpc", service, port, path: "" }];
    return [{ name, protocol: "otlp-http", service, port, path: http.path ?? "/v1/traces" }];
  }
  if (zipkin === undefined) return [];
  return [{ name, protocol: "zipkin", service: zipkin.service, port: zipkin.port, path: zipkin.path ?? "/api/v2/spans" }];
}

/**
 * Every file that access logs can go to: the built-in provider first, then MeshConfig.accessLogFile where it is another file, then the
 * other providers by name. The same objects for the same settings. Istio: pilot/pkg/model/telemetry_logging.go.
 */
export const accessLogSinks = memoObject(sinksOf);

function sinksOf({ accessLogFile, accessLogFormat, accessLogEncoding, telemetry }: MeshSettings): readonly AccessLogSink[] {
  const mesh: AccessLogFormat =
    accessLogEncoding === "JSON"
      ? { encoding: "JSON", format: jsonFormatOf(accessLogFormat) }
      : { encoding: "TEXT", format: accessLogFormat };
  const given = telemetry.fileLogs.find(({ name }) => name === builtInLogProvider);
  const builtIn: AccessLogSink = {
    provider: builtInLogProvider,
    path: given?.path ?? standardOutput,
    format: given?.format ?? mesh,
    omitEmptyValues: given?.omitEmptyValues ?? false,
    isOnByDefault: true,
  };
  const isOwnFile = accessLogFile !== "" && !(telemetry.hasBuiltInLog && isMeshFile(builtIn, accessLogFile, given));
  const file: AccessLogSink = { provider: undefined, path: accessLogFile, format: mesh, omitEmptyValues: false, isOnByDefault: true };
  const others = telemetry.fileLogs
    .filter(({ name }) => name !== builtInLogProvider)
    .map(
      ({ name, path, format = { encoding: "TEXT", format: "" }, omitEmptyValues }): AccessLogSink => ({
        provider: name,
        path,
        format,
        omitEmptyValues,
        isOnByDefault: false,
      }),
    );
  return [...(telemetry.hasBuiltInLog ? [builtIn] : []), ...(isOwnFile ? [file] : []), ...others];
}

const standardOutput = "/dev/stdout";

function isMeshFile(builtIn: AccessLogSink, accessLogFile: string, given: FileLog | undefined): boolean {
  return builtIn.path === accessLogFile && given?.format === undefined && !builtIn.omitEmptyValues;
}

/** Whether every proxy knows the sink: the mesh's own, and standard streams, which always can be opened. */
export function isKnownToAll({ provider, path }: AccessLogSink): boolean {
  return provider === undefined || provider === builtInLogProvider || /^\/dev\/std(?:out|err)$/.test(path);
}

/** The sink that MeshConfig.accessLogFile means; undefined for none. */
export function meshLogSink(settings: MeshSettings): AccessLogSink | undefined {
  if (settings.accessLogFile === "") return undefined;
  const sinks = accessLogSinks(settings);
  return sinks.find(({ provider }) => provider === undefined) ?? sinks.find(({ provider }) => provider === builtInLogProvider);
}
