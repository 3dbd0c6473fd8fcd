// DestinationRule loadBalancer → the Cluster fields that choose among endpoints.

import type { Cluster_CommonLbConfigJson, Cluster_SlowStartConfigJson, ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { LoadBalancerSettings } from "../../api/networking/destination-rule.ts";
import { defined } from "../../envoy/defined.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { EffectivePolicy } from "../../model/destinations.ts";

type LoadBalancing = Pick<ClusterJson, "lbPolicy" | "leastRequestLbConfig" | "roundRobinLbConfig" | "ringHashLbConfig" | "maglevLbConfig">;

/** Istio's default ring size (ConsistentHashLB.RingHash.minimum_ring_size). */
const defaultRingSize = 1024;
/** Istio's and Envoy's default table size (ConsistentHashLB.MagLev.table_size). */
const defaultTableSize = 65_537;

/** LEAST_REQUEST when unset, as Istio. PASSTHROUGH never comes here: it is another cluster type. */
export function loadBalancing(settings: LoadBalancerSettings | undefined): LoadBalancing {
  const hash = settings?.consistentHash;
  if (hash?.maglev !== undefined) {
    return { lbPolicy: "MAGLEV", maglevLbConfig: { tableSize: `${hash.maglev.tableSize ?? defaultTableSize}` } };
  }
  if (hash !== undefined) {
    const size = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize ?? defaultRingSize;
    return { lbPolicy: "RING_HASH", ringHashLbConfig: { minimumRingSize: `${Math.max(1, size)}` } };
  }
  const slowStartConfig = slowStart(settings);
  switch (settings?.simple) {
    case "RANDOM":
      return { lbPolicy: "RANDOM" };
    case "ROUND_ROBIN":
      return defined<LoadBalancing>({
        lbPolicy: "ROUND_ROBIN",
        roundRobinLbConfig: slowStartConfig === undefined ? undefined : { slowStartConfig },
      });
    default:
      return defined<LoadBalancing>({
        lbPolicy: "LEAST_REQUEST",
        leastRequestLbConfig: slowStartConfig === undefined ? undefined : { slowStartConfig },
      });
  }
}

/** Istio's warmup: a new endpoint's share grows over the window, from 10 % of its weight, linearly unless said otherwise. */
function slowStart(settings: LoadBalancerSettings | undefined): Cluster_SlowStartConfigJson | undefined {
  const window = settings?.warmup?.duration ?? settings?.warmupDurationSecs;
  if (window === undefined) return undefined;
  return {
    slowStartWindow: protoDuration(window),
    aggression: { defaultValue: settings?.warmup?.aggression ?? 1, runtimeKey: "" },
    minWeightPercent: { value: settings?.warmup?.minimumPercent ?? 10 },
  };
}

/** Panic routing off while enough endpoints are healthy (Istio sets minHealthPercent, 0 by default, wherever endpoints can be ejected). */
export function commonLbConfig(
  policy: EffectivePolicy,
  options: { readonly localityWeighted: boolean },
): Cluster_CommonLbConfigJson | undefined {
  const { outlierDetection } = policy;
  if (outlierDetection === undefined && !options.localityWeighted) return undefined;
  return defined<Cluster_CommonLbConfigJson>({
    healthyPanicThreshold: outlierDetection === undefined ? undefined : { value: outlierDetection.minHealthPercent ?? 0 },
    localityWeightedLbConfig: options.localityWeighted ? {} : undefined,
  });
}
