// What each proxy reports: Telemetry resources and MeshConfig → settings per workload. What changes often travels by runtime keys (RTDS), so that no
// listener is replaced when somebody samples more traces or switches an access log on.

import { memoObject, stableMap } from "./memo.ts";
import type { MeshProxy } from "./mesh.ts";

/** Runtime keys of telemetry, in percent (0 to 100, Envoy's `runtime_filter` and `runtime_key` of a fraction) unless said otherwise. */
export const telemetryRuntimeKeys = {
  /** Access log on (100) or off (0); on where the key is missing. */
  accessLog: "lateen.access_log",
  /** Requests sent to somebody who watches them live; none where the key is missing. */
  tap: "lateen.tap",
  /** Every try counted by itself, while a release judges; none where the key is missing. */
  tries: "lateen.tries",
  /** Envoy's own key for HttpConnectionManager.Tracing.random_sampling, in hundredths of a percent (0 to 10,000). */
  sampling: "tracing.random_sampling",
} as const;

/** What one proxy reports. */
export interface ProxyTelemetry {
  readonly accessLog: boolean;
  /** Share of traces begun here that are sampled, 0 to 100 percent. */
  readonly sampling: number;
}

/** Istio's defaults (MeshConfig.enableTracing with 1 % sampling), but for the access log, which is on: see MeshSettings.accessLogFile. */
export const defaultProxyTelemetry: ProxyTelemetry = { accessLog: true, sampling: 1 };

export interface TelemetryInputs {
  /** Share of requests, 1 to 100 percent, that somebody watches, by proxy id; none when unset. */
  readonly tapped?: ReadonlyMap<string, number>;
  /** Ids of proxies that count every try; none when unset. */
  readonly counting?: ReadonlySet<string>;
}

/** Runtime keys by proxy id, sorted by proxy; only what differs from what the listeners say by themselves. */
export type TelemetryRuntime = ReadonlyMap<string, ReadonlyMap<string, number>>;

const none: ReadonlyMap<string, number> = new Map();
const nobody: ReadonlySet<string> = new Set();
const untapped: ReadonlyMap<string, number> = new Map();

/** Starts an index; keep one per model: unchanged proxies keep their map. */
export function createTelemetryIndex(): (proxies: ReadonlyMap<string, MeshProxy>, inputs: TelemetryInputs) => TelemetryRuntime {
  const byProxy = stableMap<string, ReadonlyMap<string, number>>();
  const known = new Map<string, ReadonlyMap<string, number>>();
  return (proxies, { tapped = untapped, counting = nobody }) => {
    const keysOf = (id: string): ReadonlyMap<string, number> => {
      const keys = new Map<string, number>();
      const percent = tapped.get(id);
      if (percent !== undefined) keys.set(telemetryRuntimeKeys.tap, percent);
      if (counting.has(id)) keys.set(telemetryRuntimeKeys.tries, 100);
      if (keys.size === 0) return none;
      const content = JSON.stringify([...keys]);
      const same = known.get(content) ?? keys;
      known.set(content, same);
      return same;
    };
    return byProxy(new Map([...proxies.keys()].map((id) => [id, keysOf(id)])));
  };
}

/** A layer with more keys; the same map for the same two. */
export const withRuntimeKeys = memoObject((layer: ReadonlyMap<string, number>) =>
  memoObject((more: ReadonlyMap<string, number>): ReadonlyMap<string, number> => (more.size === 0 ? layer : new Map([...layer, ...more]))),
);
