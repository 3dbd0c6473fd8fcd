// `mirror` and `mirrors` of an http route → Envoy's request mirror policies.

import type { HeaderMutationJson } from "#envoy/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js";
import type { RouteAction_RequestMirrorPolicyJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { mirrorsOf } from "../../api/networking/destinations.ts";
import type { RouteRule } from "../../model/routes.ts";
import { mirrorBaggage, mirrorHeader } from "../../telemetry/proxy-reports.ts";
import { fractionalPercent } from "./fractional-percent.ts";

/**
 * Telemetry tells copies from users' requests by these. The baggage is a line of its own: Envoy can't add a member to one that is there, and HTTP takes the
 * two for one list.
 */
const marks: readonly HeaderMutationJson[] = [
  { append: { header: { key: mirrorHeader, value: "1" }, appendAction: "OVERWRITE_IF_EXISTS_OR_ADD" } },
  { append: { header: { key: "baggage", value: mirrorBaggage }, appendAction: "APPEND_IF_EXISTS_OR_ADD" } },
];

/** One policy per mirror with a percentage above 0; the mirrored request's host gets Envoy's suffix "-shadow", as with Istio. */
export function requestMirrorPolicies(rule: RouteRule): RouteAction_RequestMirrorPolicyJson[] {
  return mirrorsOf(rule.route).flatMap(({ percent }, index) => {
    const cluster = rule.mirrors[index]?.cluster;
    if (percent <= 0 || cluster === undefined) return [];
    // traceSampled unset: traced as the request is; its spans bear the mark of a copy (lateen.mirrored).
    return [{ cluster, runtimeFraction: { defaultValue: fractionalPercent(percent) }, requestHeadersMutations: [...marks] }];
  });
}
