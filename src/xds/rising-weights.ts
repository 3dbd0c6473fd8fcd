// Weights may fall at any time, but rise only where they are usable: a member that just got endpoints receives no request before the proxy
// has acknowledged them, or it would answer 503 without an upstream.

import { isSettingKey, type ProxyConfig, type RuntimeLayer } from "../envoy/config.ts";
import type { ProxyState } from "./proxy-state.ts";
import { splitPrefixOf } from "./runtime-layer.ts";

/** The desired layer, in which splits with a member that is not ready to get more keep what they were sent last. */
export function reachableLayer(config: Pick<ProxyConfig, "runtime" | "endpoints">, state: ProxyState): RuntimeLayer {
  const held = new Set<string>();
  for (const [key, weight] of config.runtime) {
    if (isSettingKey(key)) continue;
    const prefix = splitPrefixOf(key);
    if (weight > (state.layer.get(key) ?? 0) && !isReady(key.slice(prefix.length + 1), config, state)) held.add(prefix);
  }
  if (held.size === 0) return config.runtime;
  const isHeld = ([key]: readonly [string, number]): boolean => !isSettingKey(key) && held.has(splitPrefixOf(key));
  return new Map([...[...config.runtime].filter((entry) => !isHeld(entry)), ...[...state.layer].filter(isHeld)]);
}

/**
 * Endpoints that the proxy never asked for, or refused, are not waited for. But a proxy that comes back asks for its weights first: until it has said
 * which endpoints it has, they are those of before, perhaps none.
 */
function isReady(cluster: string, { endpoints }: Pick<ProxyConfig, "endpoints">, { types: { cds, eds, rtds } }: ProxyState): boolean {
  const wanted = endpoints.get(cluster);
  if (wanted === undefined) return true;
  if (!eds.subscribed) return rtds.accepted.size === 0 || (cds.subscribed && cds.outstanding === undefined && !cds.accepted.has(cluster));
  if (!eds.names.has(cluster)) return true;
  return eds.outstanding === undefined || eds.accepted.get(cluster)?.version === wanted.version;
}
