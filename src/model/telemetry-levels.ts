// Which Telemetries hold for a workload, and what they come to: root namespace, then namespace, then workload, the closest one wins field by
// field. Source: Istio pilot/pkg/model/telemetry.go.

import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Telemetry, TelemetryAccessLogging, TelemetryTracing } from "../api/telemetry/telemetry.ts";
import type { MeshSettings } from "./mesh.ts";
import type { PolicySubject } from "./policies.ts";
import { type AccessLogSink, accessLogSinks, isKnownToAll, meshLogSink, type TraceTag, traceTagsOf } from "./telemetry-settings.ts";
import { byAge } from "./visibility.ts";

/** What one proxy reports. A gateway has only an outbound side. */
export interface ProxyTelemetry {
  readonly inbound: SideTelemetry;
  readonly outbound: SideTelemetry;
  /** Providers of access logs whose files it must know: those of its levels, on or off, that aren't known to all; sorted. */
  readonly files: readonly string[];
}

/** One side of a proxy. */
export interface SideTelemetry {
  /** Which sinks its access log goes to, by their `provider`; none for no log. */
  readonly accessLogs: readonly (string | undefined)[];
  readonly tracing: ProxyTracing;
}

export interface ProxyTracing {
  /** Whether spans are made. */
  readonly isReporting: boolean;
  /** Share of traces begun here that are sampled, 0 to 100 percent. */
  readonly sampling: number;
  /** A TraceProvider's name; undefined for none: the control plane keeps the spans, and forwards them nowhere. */
  readonly provider: string | undefined;
  /** Whether Zipkin's trace headers (B3) are read and given beside W3C's: with a Zipkin provider, as in Istio. */
  readonly b3: boolean;
  readonly tags: readonly TraceTag[];
}

/** Finds the Telemetries that hold for a workload, widest first: of each level the oldest. A selector in the root namespace reaches its own pods only. */
function createLevels(telemetries: readonly Telemetry[], rootNamespace: string): (subject: PolicySubject) => readonly Telemetry[] {
  const byNamespace = Map.groupBy(byAge(telemetries), ({ metadata }) => metadata.namespace);
  const wide = new Map([...byNamespace].map(([namespace, oldest]) => [namespace, oldest.find((telemetry) => !hasSelector(telemetry))]));
  return ({ namespace, labels }) => {
    const workload = byNamespace
      .get(namespace)
      ?.find((telemetry) => hasSelector(telemetry) && labelsMatch(telemetry.spec.selector?.matchLabels ?? {}, labels));
    const levels = [wide.get(rootNamespace), namespace === rootNamespace ? undefined : wide.get(namespace), workload];
    return levels.filter((level) => level !== undefined);
  };
}

/** Whether it is for workloads with certain labels, not for a whole namespace. */
export function hasSelector({ spec }: Telemetry): boolean {
  return Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
}

/** Looks up what a workload reports. */
export function createTelemetryLookup(
  telemetries: readonly Telemetry[],
  settings: MeshSettings,
): (subject: PolicySubject) => ProxyTelemetry {
  const levelsOf = createLevels(telemetries, settings.rootNamespace);
  const sinks = accessLogSinks(settings);
  return (subject) => {
    const levels = levelsOf(subject);
    const side = (mode: "CLIENT" | "SERVER"): SideTelemetry => ({
      accessLogs: accessLogsOf(
        levels.map(({ spec }) => spec.accessLogging),
        { mode, sinks, settings },
      ),
      tracing: tracingOf(
        levels.flatMap(({ spec }) => spec.tracing),
        { mode, settings },
      ),
    });
    const named = levels.flatMap(({ spec }) => spec.accessLogging.flatMap(({ providers }) => providers.map(({ name }) => name)));
    const names = [...named, ...settings.telemetry.defaultProviders.accessLogging];
    const files = sinks.filter((sink) => !isKnownToAll(sink) && names.some((name) => isSameName(sink.provider, name)));
    return { inbound: side("SERVER"), outbound: side("CLIENT"), files: files.flatMap(({ provider }) => provider ?? []) };
  };
}

interface LogInputs {
  readonly mode: "CLIENT" | "SERVER";
  readonly sinks: readonly AccessLogSink[];
  readonly settings: MeshSettings;
}

/**
 * The closest level that names providers says which ones there are; below it all levels switch them on and off. Without any names the mesh's
 * default providers are meant: those of defaultProviders, else the file that MeshConfig.accessLogFile names. (Istio logs nothing at all when
 * no Telemetry names a provider and there are no default ones; here `disabled: true` for one side leaves the other side's log.)
 */
function accessLogsOf(
  levels: readonly (readonly TelemetryAccessLogging[])[],
  { mode, sinks, settings }: LogInputs,
): SideTelemetry["accessLogs"] {
  const sinkOf = (name: string) => sinks.find(({ provider }) => isSameName(provider, name));
  const meshLog = meshLogSink(settings);
  const byDefault = settings.telemetry.defaultProviders.accessLogging;
  const standard = byDefault.length > 0 ? byDefault.flatMap((name) => sinkOf(name) ?? []) : meshLog === undefined ? [] : [meshLog];
  const naming = levels.findLast((entries) => entries.some(({ providers }) => providers.length > 0));
  const named = naming?.flatMap(({ providers }) => providers.flatMap(({ name }) => sinkOf(name) ?? []));
  const inScope = new Set(named ?? standard);
  const on = new Set(named === undefined ? standard : []);
  let parents: readonly AccessLogSink[] = standard;
  for (const { match, providers, disabled } of levels.flat()) {
    parents = providers.length === 0 ? parents : providers.flatMap(({ name }) => sinkOf(name) ?? []);
    if (!isForMode(match, mode)) continue;
    for (const sink of parents.filter((parent) => inScope.has(parent))) {
      if (disabled === true) on.delete(sink);
      else on.add(sink);
    }
  }
  return sinks.filter((sink) => on.has(sink)).map(({ provider }) => provider);
}

/** Istio compares providers' names regardless of case. */
export function isSameName(a: string | undefined, b: string): boolean {
  return a?.toLowerCase() === b.toLowerCase();
}

function isForMode(match: TelemetryAccessLogging["match"], mode: "CLIENT" | "SERVER"): boolean {
  const wanted = match?.mode ?? "CLIENT_AND_SERVER";
  return wanted === "CLIENT_AND_SERVER" || wanted === mode;
}

/**
 * Every field from the closest level that sets it. Istio switches tracing off where no provider is named; here the control plane takes spans
 * anyway, so that MeshConfig.enableTracing decides where neither a Telemetry nor defaultProviders say anything.
 */
function tracingOf(
  entries: readonly TelemetryTracing[],
  { mode, settings }: { readonly mode: "CLIENT" | "SERVER"; readonly settings: MeshSettings },
): ProxyTracing {
  const { telemetry } = settings;
  const applying = entries.filter(({ match }) => isForMode(match, mode)).toReversed();
  const first = <T>(fieldOf: (entry: TelemetryTracing) => T | undefined): T | undefined => {
    for (const entry of applying) {
      const value = fieldOf(entry);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const name = first(({ providers }) => providers[0]?.name) ?? telemetry.defaultProviders.tracing[0];
  const isConfigured = applying.length > 0 || telemetry.defaultProviders.tracing.length > 0;
  const tags = first(({ customTags }) => customTags);
  const provider = name === undefined ? undefined : telemetry.traceProviders.find((one) => isSameName(one.name, name));
  return {
    isReporting: !(first(({ disableSpanReporting }) => disableSpanReporting) ?? !(isConfigured || telemetry.enableTracing)),
    sampling: first(({ randomSamplingPercentage }) => randomSamplingPercentage) ?? telemetry.sampling,
    provider: provider?.name,
    b3: provider?.protocol === "zipkin",
    tags: tags === undefined ? telemetry.tags : traceTagsOf(tags),
  };
}
