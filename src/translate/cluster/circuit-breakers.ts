// DestinationRule connectionPool limits and retryBudget → Envoy's CircuitBreakers.

import type { CircuitBreakers_ThresholdsJson, CircuitBreakersJson } from "#envoy/envoy/config/cluster/v3/circuit_breaker_pb.js";
import { defined } from "../../envoy/defined.ts";
import type { EffectivePolicy } from "../../model/destinations.ts";

/** Unlimited: unset limits mean none, as in Istio (Envoy's own defaults are 1,024 and 3 retries). */
const unlimited = 4_294_967_295;

/** Thresholds of a cluster; 0 and unset are unlimited. */
export function circuitBreakers({ connectionPool, retryBudget }: EffectivePolicy): CircuitBreakersJson {
  const { tcp, http } = connectionPool ?? {};
  const percent = retryBudget?.percent ?? 20;
  return {
    thresholds: [
      defined<CircuitBreakers_ThresholdsJson>({
        maxConnections: limit(tcp?.maxConnections),
        maxPendingRequests: limit(http?.http1MaxPendingRequests),
        maxRequests: limit(http?.http2MaxRequests),
        // A retry budget and a number of retries exclude each other.
        maxRetries: retryBudget === undefined ? limit(http?.maxRetries) : undefined,
        retryBudget:
          retryBudget === undefined
            ? undefined
            : { budgetPercent: { value: percent }, minRetryConcurrency: retryBudget.minRetryConcurrency ?? 3 },
      }),
    ],
  };
}

function limit(value: number | undefined): number {
  return value === undefined || value <= 0 ? unlimited : value;
}
