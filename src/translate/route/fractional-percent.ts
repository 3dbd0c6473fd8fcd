// Percent of Istio (0 to 100 with fractions) → Envoy's FractionalPercent, exact to a ten-thousandth of a percent.

import type { FractionalPercentJson } from "#envoy/envoy/type/v3/percent_pb.js";

/** Parts per million. */
export function fractionalPercent(percent: number): FractionalPercentJson {
  return { numerator: Math.round(percent * 10_000), denominator: "MILLION" };
}
