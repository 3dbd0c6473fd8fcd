// A change of the store → how soon proxies must hear of it.

import type { StoreEvent } from "../store/store.ts";
import type { Urgency } from "../xds/push-queue.ts";

/** Kinds whose changes may alter routes, clusters or listeners as a whole: expensive for Envoy, so they are collected. */
export const structuralKinds = ["Service", "ServiceEntry", "VirtualService", "DestinationRule", "Gateway", "ConfigMap"] as const;
const structural: ReadonlySet<string> = new Set(structuralKinds);

/** Whether the change may wait for others. */
export function urgencyOf(event: StoreEvent): Urgency {
  return structural.has(event.stored.kind) && !isWeightChange(event) ? "structure" : "immediate";
}

/** Weights of a VirtualService changed and nothing else: that travels by RTDS and never waits. */
function isWeightChange({ stored, previous }: StoreEvent): boolean {
  if (stored.kind !== "VirtualService" || previous === undefined) return false;
  return withoutWeights(stored) === withoutWeights(previous);
}

function withoutWeights({ raw }: StoreEvent["stored"]): string {
  return JSON.stringify(raw["spec"], (key, value: unknown) => (key === "weight" ? undefined : value));
}
