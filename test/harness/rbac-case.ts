// One case of policies in the Envoy of rbac-envoy.ts, and requests of that case.

import type { AuthorizationPolicy } from "../../src/api/security/authorization-policy.ts";
import { authorizationPoliciesOf } from "../../src/model/policies.ts";
import { rbacPerRoute } from "../../src/translate/filter/rbac-filters.ts";
import type { RawRequest } from "./raw-http.ts";
import { caseHeader, type RbacEnvoy } from "./rbac-envoy.ts";

/** The filters' configuration for workloads of namespace "a". */
export const perRoute = (...policies: readonly AuthorizationPolicy[]) =>
  rbacPerRoute(authorizationPoliciesOf(policies, { namespace: "a", labels: {} }, "istio-system"), { trustDomains: ["cluster.local"] });

/** Loads one case named "it". */
export const load = (envoy: RbacEnvoy, ...policies: readonly AuthorizationPolicy[]): Promise<void> =>
  envoy.load(new Map([["it", perRoute(...policies)]]));

/** A request of that case. */
export const asCase = (request: RawRequest): RawRequest => ({ ...request, headers: [[caseHeader, "it"], ...(request.headers ?? [])] });
