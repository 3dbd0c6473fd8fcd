// loadBalancer.consistentHash of a DestinationRule → Envoy's hash policy on the routes to that destination.

import type { RouteAction_HashPolicyJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { ConsistentHash } from "../../api/networking/destination-rule.ts";
import { defined } from "../../envoy/defined.ts";
import { protoDuration } from "../../lib/duration.ts";

/** What of a request picks the host; undefined when the rule hashes nothing. */
export function hashPolicy(hash: ConsistentHash): RouteAction_HashPolicyJson | undefined {
  if (hash.httpHeaderName !== undefined) return { header: { headerName: hash.httpHeaderName } };
  if (hash.httpCookie !== undefined) return { cookie: cookiePolicy(hash.httpCookie) };
  if (hash.useSourceIp === true) return { connectionProperties: { sourceIp: true } };
  if (hash.httpQueryParameterName !== undefined) return { queryParameter: { name: hash.httpQueryParameterName } };
  return undefined;
}

/** With a ttl Envoy makes the cookie when it is missing; ttl 0 is a session cookie. */
function cookiePolicy(cookie: NonNullable<ConsistentHash["httpCookie"]>): NonNullable<RouteAction_HashPolicyJson["cookie"]> {
  const attributes = cookie.attributes.map(({ name, value }) => ({ name, value: value ?? "" }));
  return defined<NonNullable<RouteAction_HashPolicyJson["cookie"]>>({
    name: cookie.name,
    ttl: cookie.ttl === undefined ? undefined : protoDuration(cookie.ttl),
    path: cookie.path,
    attributes: attributes.length === 0 ? undefined : attributes,
  });
}
