// What each proxy reports: Telemetry resources and MeshConfig → settings per workload. What changes often travels by runtime keys (RTDS), so that no
// listener is replaced when somebody samples more traces or switches an access log on.

import type { Telemetry } from "../api/telemetry/telemetry.ts";
import { KeyedMemo, memoLast, memoObject, stableMap } from "./memo.ts";
import type { MeshProxy, MeshSettings } from "./mesh.ts";
import { createTelemetryLookup, type ProxyTelemetry, type SideTelemetry } from "./telemetry-levels.ts";
import {
  type AccessLogSink,
  accessLogSinks,
  defaultTelemetrySettings,
  isKnownToAll,
  type ListenerTelemetry,
  type SideTracing,
} from "./telemetry-settings.ts";

/** A side of a proxy: inbound is SERVER, outbound and all of a gateway is CLIENT. */
export type Side = "inbound" | "outbound";

/** Runtime keys of telemetry, in percent (0 to 100, Envoy's `runtime_filter` and `runtime_key` of a fraction) unless said otherwise. */
export const telemetryRuntimeKeys = {
  /** Access log on (100) or off (0), with ".<side>", and ".<side>.<provider>" for all but provider "envoy"; see accessLogKey. */
  accessLog: "lateen.access_log",
  /** The same of MeshConfig.accessLogFile, where that isn't what provider "envoy" writes to; with ".<side>". */
  accessLogFile: "lateen.access_log_file",
  /** Requests sent to somebody who watches them live; none where the key is missing. */
  tap: "lateen.tap",
  /**
   * At sidecars that count every try (Mesh.counting): also what their applications were told of users. None where the key is missing. Tries have no
   * key: a proxy that counts them has another router.
   */
  tries: "lateen.tries",
  /**
   * Envoy's own key for HttpConnectionManager.Tracing.random_sampling, in hundredths of a percent (0 to 10,000). Where it is missing the
   * listener's value holds: SideTracing.sampling, else defaultSampling.
   */
  sampling: "tracing.random_sampling",
} as const;

/** Percent that listeners say by themselves (Istio's default), wherever SideTracing.sampling doesn't say another. */
export const defaultSampling = defaultTelemetrySettings.sampling;

/** The runtime key that switches one access log of one side. */
export function accessLogKey({ provider }: AccessLogSink, side: Side): string {
  if (provider === undefined) return `${telemetryRuntimeKeys.accessLogFile}.${side}`;
  return provider === "envoy" ? `${telemetryRuntimeKeys.accessLog}.${side}` : `${telemetryRuntimeKeys.accessLog}.${side}.${provider}`;
}

export interface TelemetryInputs {
  readonly telemetries: readonly Telemetry[];
  readonly settings: MeshSettings;
}

/** What runtime keys come from, besides TelemetryInputs. */
export interface RuntimeInputs {
  readonly settings: MeshSettings;
  /** Share of requests, 1 to 100 percent, that somebody watches, by proxy id; none when unset. */
  readonly tapped?: ReadonlyMap<string, number> | undefined;
  /** Mesh.counting. */
  readonly counting: ReadonlySet<string>;
}

/** Runtime keys by proxy id, sorted by proxy; only what differs from what the listeners say by themselves. */
export type TelemetryRuntime = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** What telemetry is, by proxy id; each map and value stays the same object while nothing in it changed. Runtime keys come from it (TelemetryIndex). */
export interface MeshTelemetrySettings {
  /** What each proxy should report. */
  readonly proxies: ReadonlyMap<string, ProxyTelemetry>;
  /** What listeners must say, only of proxies where it isn't what the mesh's settings say. */
  readonly listeners: ReadonlyMap<string, ListenerTelemetry>;
}

const untapped: ReadonlyMap<string, number> = new Map();

export interface TelemetryIndex {
  /** What proxies report. */
  settingsOf(proxies: ReadonlyMap<string, MeshProxy>, inputs: TelemetryInputs): MeshTelemetrySettings;
  /** The keys that tell them so. */
  runtimeOf(proxies: ReadonlyMap<string, MeshProxy>, found: MeshTelemetrySettings, inputs: RuntimeInputs): TelemetryRuntime;
}

/** Starts an index; keep one per model: unchanged proxies keep their map. */
export function createTelemetryIndex(): TelemetryIndex {
  const runtimeOf = createRuntimeIndex();
  const settingsOf = createProxySettings();
  return {
    settingsOf: (proxies, { telemetries, settings }) => settingsOf(proxies, telemetries, settings),
    runtimeOf: (proxies, found, { settings, tapped = untapped, counting }) => runtimeOf(proxies, found, settings, tapped, counting),
  };
}

function createProxySettings() {
  const proxyMap = stableMap<string, ProxyTelemetry>();
  const listenerMap = stableMap<string, ListenerTelemetry>();
  const shared = sharedByContent<ProxyTelemetry>();
  const sharedListeners = sharedByContent<ListenerTelemetry>();
  const lookupOf = memoLast(createTelemetryLookup);
  const memo = new KeyedMemo<ProxyTelemetry>();
  const joined = memoLast(
    (byProxy: ReadonlyMap<string, ProxyTelemetry>, listeners: ReadonlyMap<string, ListenerTelemetry>): MeshTelemetrySettings => ({
      proxies: byProxy,
      listeners,
    }),
  );
  return memoLast(
    (proxies: ReadonlyMap<string, MeshProxy>, telemetries: readonly Telemetry[], settings: MeshSettings): MeshTelemetrySettings => {
      memo.generation();
      const lookup = lookupOf(telemetries, settings);
      const byProxy = new Map<string, ProxyTelemetry>();
      const listeners = new Map<string, ListenerTelemetry>();
      const ofMesh = JSON.stringify(meshListenerTelemetry(settings));
      for (const proxy of proxies.values()) {
        const found = memo.get(proxy.id, [proxy, lookup], () => shared(lookup(proxy)));
        byProxy.set(proxy.id, found);
        const own = listenerTelemetryOf(found, proxy.kind);
        if (JSON.stringify(own) !== ofMesh) listeners.set(proxy.id, sharedListeners(own));
      }
      return joined(proxyMap(byProxy), listenerMap(listeners));
    },
  );
}

/** What listeners say where no Telemetry says otherwise. */
export const meshListenerTelemetry = memoObject((settings: MeshSettings): ListenerTelemetry => {
  const none = createTelemetryLookup([], settings)({ namespace: settings.rootNamespace, labels: {} });
  return listenerTelemetryOf(none, "sidecar");
});

/**
 * Sides that differ can't share Envoy's one runtime key, so that their listeners say it. Nor can spans be switched off by a key: Envoy would tell those
 * who come next that the trace isn't sampled; without any tracing what came passes on as it is, as in Istio.
 */
function listenerTelemetryOf({ inbound, outbound, files }: ProxyTelemetry, kind: MeshProxy["kind"]): ListenerTelemetry {
  const sidesOf = kind === "gateway" ? [outbound] : [inbound, outbound];
  const sampled = new Set(sidesOf.map(({ tracing }) => tracing.sampling)).size > 1;
  const side = ({ tracing: { tags, sampling, isReporting, b3 } }: SideTelemetry): SideTracing => ({
    tags,
    sampling: sampled ? sampling : undefined,
    isOff: !isReporting,
    b3,
  });
  return { inbound: side(kind === "gateway" ? outbound : inbound), outbound: side(outbound), files };
}

function createRuntimeIndex() {
  const byProxy = stableMap<string, ReadonlyMap<string, number>>();
  const shared = sharedByContent<ReadonlyMap<string, number>>((keys) => JSON.stringify([...keys]));
  return memoLast(
    (
      proxies: ReadonlyMap<string, MeshProxy>,
      found: MeshTelemetrySettings,
      settings: MeshSettings,
      tapped: ReadonlyMap<string, number>,
      counting: ReadonlySet<string>,
    ): TelemetryRuntime => {
      const sinks = accessLogSinks(settings);
      const keysOf = ({ id, kind }: MeshProxy): ReadonlyMap<string, number> => {
        const telemetry = found.proxies.get(id);
        const keys = telemetry === undefined ? new Map<string, number>() : settingKeys(telemetry, { sinks, kind });
        const watched = tapped.get(id);
        if (watched !== undefined) keys.set(telemetryRuntimeKeys.tap, watched);
        if (kind === "sidecar" && counting.has(id)) keys.set(telemetryRuntimeKeys.tries, 100);
        return shared(keys);
      };
      return byProxy(new Map([...proxies].map(([id, proxy]) => [id, keysOf(proxy)])));
    },
  );
}

function settingKeys(
  { inbound, outbound }: ProxyTelemetry,
  { sinks, kind }: { readonly sinks: readonly AccessLogSink[]; readonly kind: MeshProxy["kind"] },
): Map<string, number> {
  const keys = new Map<string, number>();
  const sides = kind === "gateway" ? [["outbound", outbound] as const] : [["inbound", inbound] as const, ["outbound", outbound] as const];
  for (const [side, { accessLogs }] of sides) {
    for (const sink of sinks) {
      const isOn = accessLogs.includes(sink.provider);
      if (isOn !== sink.isOnByDefault) keys.set(accessLogKey(sink, side), isOn ? 100 : 0);
    }
  }
  const tracings = sides.map(([, { tracing }]) => tracing);
  const [sampling, ...otherShares] = new Set(tracings.map((tracing) => tracing.sampling));
  if (sampling !== undefined && otherShares.length === 0 && sampling !== defaultSampling) {
    keys.set(telemetryRuntimeKeys.sampling, Math.round(sampling * 100));
  }
  return keys;
}

/** Makes equal contents the same object; what is no longer asked for goes with its last reader. */
function sharedByContent<T extends object>(contentOf: (value: T) => string = (value) => JSON.stringify(value)): (value: T) => T {
  const known = new Map<string, WeakRef<T>>();
  return (value) => {
    const content = contentOf(value);
    const before = known.get(content)?.deref();
    if (before !== undefined) return before;
    for (const [key, reference] of known) if (reference.deref() === undefined) known.delete(key);
    known.set(content, new WeakRef(value));
    return value;
  };
}

/** The settings that listeners of such proxies are made with; the same object for the same two. */
export function listenerSettings(settings: MeshSettings, own: ListenerTelemetry | undefined): MeshSettings {
  return own === undefined ? settings : withListenerTelemetry(settings)(own);
}

/** The access logs that listeners made with these settings know. */
export function listenerSinks(settings: MeshSettings): readonly AccessLogSink[] {
  const { files } = settings.listenerTelemetry ?? meshListenerTelemetry(settings);
  return accessLogSinks(settings).filter((sink) => isKnownToAll(sink) || (sink.provider !== undefined && files.includes(sink.provider)));
}

const withListenerTelemetry = memoObject((settings: MeshSettings) =>
  memoObject((listenerTelemetry: ListenerTelemetry): MeshSettings => ({ ...settings, listenerTelemetry })),
);

/** A layer with more keys; the same map for the same two. */
export const withRuntimeKeys = memoObject((layer: ReadonlyMap<string, number>) =>
  memoObject((more: ReadonlyMap<string, number>): ReadonlyMap<string, number> => (more.size === 0 ? layer : new Map([...layer, ...more]))),
);
