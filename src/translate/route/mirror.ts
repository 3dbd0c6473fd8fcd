// `mirror` and `mirrors` of an http route → Envoy's request mirror policies.

import type { RouteAction_RequestMirrorPolicyJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { mirrorsOf } from "../../api/networking/destinations.ts";
import type { RouteRule } from "../../model/routes.ts";
import { fractionalPercent } from "./fractional-percent.ts";

/** One policy per mirror with a percentage above 0; the mirrored request's host gets Envoy's suffix "-shadow", as with Istio. */
export function requestMirrorPolicies(rule: RouteRule): RouteAction_RequestMirrorPolicyJson[] {
  return mirrorsOf(rule.route).flatMap(({ percent }, index) => {
    const cluster = rule.mirrors[index]?.cluster;
    if (percent <= 0 || cluster === undefined) return [];
    // traceSampled unset: traced as the request is; its spans bear the mark of a copy (lateen.mirrored).
    return [{ cluster, runtimeFraction: { defaultValue: fractionalPercent(percent) } }];
  });
}
