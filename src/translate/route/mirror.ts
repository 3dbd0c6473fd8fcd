// `mirror` and `mirrors` of an http route → Envoy's request mirror policies.

import type { RouteAction_RequestMirrorPolicyJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HttpRoute } from "../../api/networking/virtual-service.ts";
import type { RouteRule } from "../../model/routes.ts";
import { fractionalPercent } from "./fractional-percent.ts";

/** One policy per mirror with a percentage above 0; the mirrored request's host gets Envoy's suffix "-shadow", as with Istio. */
export function requestMirrorPolicies(rule: RouteRule): RouteAction_RequestMirrorPolicyJson[] {
  const percents = mirrorPercents(rule.route);
  return rule.mirrors.flatMap(({ cluster }, index) => {
    const percent = percents[index] ?? 0;
    if (percent <= 0) return [];
    // Not traced: a mirrored request would look like a second user's.
    return [{ cluster, runtimeFraction: { defaultValue: fractionalPercent(percent) }, traceSampled: false }];
  });
}

/** Parallel to RouteRule.mirrors; 100 when nothing is said (HTTPRoute.mirror_percentage, HTTPMirrorPolicy.percentage). */
function mirrorPercents(route: HttpRoute): number[] {
  const single = route.mirrorPercentage?.value ?? route.mirrorPercent ?? route.mirror_percent ?? 100;
  const many = route.mirrors.map(({ percentage }) => percentage?.value ?? 100);
  return route.mirror === undefined ? many : [single, ...many];
}
