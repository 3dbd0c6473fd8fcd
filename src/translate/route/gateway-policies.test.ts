// A gateway's routes with its policies in their heads: what is shared, and what names them.

import { expect, test } from "vitest";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { testPolicy } from "../../../test/harness/policies.ts";
import { decodeJson } from "../../envoy/codec.ts";
import { EncodeCache } from "../../envoy/encode-cache.ts";
import { authorizationPoliciesOf } from "../../model/policies.ts";
import { cohortPerRoute } from "../filter/cohort-filter.ts";
import { createGatewayPolicies } from "./gateway-policies.ts";
import { routeConfigurationHead } from "./route-configuration.ts";

const cache = new EncodeCache();
const part = cache.part({ name: "web", domains: ["web"] }, { sources: ["VirtualService a/web"] });
const routes = new Map([["http.80", cache.routes({ name: "http.80", head: routeConfigurationHead, parts: [part] })]]);
const policiesOf = (...specs: readonly object[]) =>
  authorizationPoliciesOf(
    specs.map((spec, index) => testPolicy(spec, { name: `p${index}` })),
    { namespace: "a", labels: {} },
    "istio-system",
  );
const denyAll = { action: "DENY", rules: [{}] };

test("the head bears the rules; virtual hosts stay the encoded ones", () => {
  const [made] = createGatewayPolicies({ trustDomains: ["cluster.local"] })(routes, policiesOf(denyAll)).values();
  expect(made?.composite?.parts[0]).toBe(part);
  expect(made?.sources).toEqual(["AuthorizationPolicy a/p0", "VirtualService a/web"]);
  const { typedPerFilterConfig, virtualHosts } = decodeJson(RouteConfigurationSchema, made?.bytes ?? new Uint8Array());
  expect(Object.keys(typedPerFilterConfig ?? {})).toEqual(["lateen.rbac.deny"]);
  expect(virtualHosts?.map(({ name }) => name)).toEqual(["web"]);
});

test("without policies nothing is made, and replicas with equal policies share the set", () => {
  const enforce = createGatewayPolicies({ trustDomains: ["cluster.local"] });
  expect(enforce(routes, policiesOf())).toBe(routes);
  expect(enforce(routes, policiesOf(denyAll))).toBe(enforce(routes, policiesOf(denyAll)));
  expect(enforce(routes, policiesOf(denyAll))).not.toBe(enforce(routes, policiesOf(denyAll, denyAll)));
});

test("what the head said before stays", () => {
  const typedPerFilterConfig = cohortPerRoute([{ kind: "cookie", name: "who", member: "lateen-cookie-00000000" }]);
  const before = new Map([
    ["http.80", cache.routes({ name: "http.80", head: { ...routeConfigurationHead, typedPerFilterConfig }, parts: [part] })],
  ]);
  const [made] = createGatewayPolicies({ trustDomains: ["cluster.local"] })(before, policiesOf(denyAll)).values();
  const json = decodeJson(RouteConfigurationSchema, made?.bytes ?? new Uint8Array());
  expect(Object.keys(json.typedPerFilterConfig ?? {}).sort()).toEqual(["lateen.cohort", "lateen.rbac.deny"]);
  expect(json.typedPerFilterConfig?.["lateen.cohort"]).toEqual(typedPerFilterConfig["lateen.cohort"]);
  expect(json).toMatchObject({ name: "http.80", ...routeConfigurationHead });
});
