// A claim of the verified token in `headers` or `withoutHeaders` of an HTTP match → Envoy's MetadataMatcher on what the JWT filter wrote.
// Source: Istio pilot/pkg/networking/core/route/route.go (translateMetadataMatch).

import type { MetadataMatcherJson } from "#envoy/envoy/type/matcher/v3/metadata_pb.js";
import type { ValueMatcherJson } from "#envoy/envoy/type/matcher/v3/value_pb.js";
import type { HeaderMatch } from "../../api/networking/virtual-service.ts";
import { jwtMetadataNamespace, jwtPayloadKey } from "../filter/rbac-metadata.ts";
import { stringMatcher, valueMatch } from "./string-matcher.ts";

/** Matches a request whose token has the claim as `match` says: the claim itself, or one element of a list. Without a token nothing matches. */
export function claimMatcher(claims: readonly string[], match: HeaderMatch): MetadataMatcherJson {
  return { filter: jwtMetadataNamespace, path: [jwtPayloadKey, ...claims].map((key) => ({ key })), value: valueMatcher(match) };
}

/** The opposite, so that a request without token or claim matches. */
export function withoutClaimMatcher(claims: readonly string[], match: HeaderMatch): MetadataMatcherJson {
  return { ...claimMatcher(claims, match), invert: true };
}

function valueMatcher(match: HeaderMatch): ValueMatcherJson {
  const text = valueMatch(match);
  if (text === undefined) return { presentMatch: true };
  const stringMatch = stringMatcher(text);
  return { orMatch: { valueMatchers: [{ stringMatch }, { listMatch: { oneOf: { stringMatch } } }] } };
}
