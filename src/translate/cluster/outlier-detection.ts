// DestinationRule outlierDetection → Envoy's OutlierDetection. Source: Istio pilot/pkg/networking/core/cluster_traffic_policy.go.

import type { OutlierDetectionJson } from "#envoy/envoy/config/cluster/v3/outlier_detection_pb.js";
import type { OutlierDetection } from "../../api/networking/destination-rule.ts";
import { defined } from "../../envoy/defined.ts";
import { protoDuration } from "../../lib/duration.ts";

/** Unset fields are left to Envoy, whose defaults are Istio's; each kind of error has an "enforcing" percentage that switches it on or off. */
export function outlierDetection(settings: OutlierDetection): OutlierDetectionJson {
  const { consecutive5xxErrors, consecutiveErrors, consecutiveLocalOriginFailures, splitExternalLocalOriginErrors } = settings;
  const gateway = settings.consecutiveGatewayErrors ?? positive(consecutiveErrors);
  const split = splitExternalLocalOriginErrors === true;
  return defined<OutlierDetectionJson>({
    consecutive5xx: positive(consecutive5xxErrors),
    enforcingConsecutive5xx: enforcing(consecutive5xxErrors),
    consecutiveGatewayFailure: positive(gateway),
    enforcingConsecutiveGatewayFailure: enforcing(gateway),
    splitExternalLocalOriginErrors: split ? true : undefined,
    consecutiveLocalOriginFailure: split ? positive(consecutiveLocalOriginFailures) : undefined,
    enforcingConsecutiveLocalOriginFailure: split ? enforcing(consecutiveLocalOriginFailures) : undefined,
    interval: duration(settings.interval),
    baseEjectionTime: duration(settings.baseEjectionTime),
    maxEjectionPercent: settings.maxEjectionPercent,
    // Ejection by success rate is not part of Istio's API; Envoy has it on.
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: split ? 0 : undefined,
  });
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value;
}

function enforcing(value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  return value > 0 ? 100 : 0;
}

function duration(value: Parameters<typeof protoDuration>[0] | undefined): string | undefined {
  return value === undefined ? undefined : protoDuration(value);
}
