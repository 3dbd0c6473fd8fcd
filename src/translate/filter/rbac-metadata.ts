// Claims of a request's JWT, and other filters' metadata → Envoy's MetadataMatcher. The jwt_authn filter must put payloads under jwtPayloadKey.

import type { PrincipalJson } from "#envoy/envoy/config/rbac/v3/rbac_pb.js";
import type { StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";
import type { ValueMatcherJson } from "#envoy/envoy/type/matcher/v3/value_pb.js";
import { anyText, byNotation, textMatcher } from "./rbac-values.ts";

/** Namespace of the metadata that the JWT filter writes. */
export const jwtMetadataNamespace = "envoy.filters.http.jwt_authn";
/** Key of the payload in it (JwtProvider.payload_in_metadata), the same for every issuer; Istio's value. */
export const jwtPayloadKey = "payload";

function metadata(filter: string, path: readonly string[], value: ValueMatcherJson): PrincipalJson {
  return { sourcedMetadata: { metadataMatcher: { filter, path: path.map((key) => ({ key })), value } } };
}

function payload(claims: readonly string[], value: ValueMatcherJson): PrincipalJson {
  return metadata(jwtMetadataNamespace, [jwtPayloadKey, ...claims], value);
}

/** A claim that is this text, or a list with it. */
export function claimPrincipal(claims: readonly string[], value: string): PrincipalJson {
  const stringMatch = textMatcher(value);
  return payload(claims, { orMatch: { valueMatchers: [{ stringMatch }, { listMatch: { oneOf: { stringMatch } } }] } });
}

/** Metadata of another filter: "[v]" asks for a list with v, "v" for a text. */
export function filterPrincipal({ filter, key }: { readonly filter: string; readonly key: string }, value: string): PrincipalJson {
  const isList = value.startsWith("[") && value.endsWith("]");
  if (!isList) return metadata(filter, [key], { stringMatch: textMatcher(value) });
  return metadata(filter, [key], { listMatch: { oneOf: { stringMatch: textMatcher(value.slice(1, -1)) } } });
}

/** Issuer and subject. */
function issuerAndSubject(issuer: StringMatcherJson, subject: StringMatcherJson): PrincipalJson {
  return { andIds: { ids: [payload(["iss"], { stringMatch: issuer }), payload(["sub"], { stringMatch: subject })] } };
}

/**
 * "<issuer>/<subject>", compared as one text. Envoy has the two apart and both may contain slashes, so every place where one could end and
 * the other begin is a way to match.
 */
export function requestPrincipal(value: string): PrincipalJson {
  const ids = byNotation(value, {
    present: () => [issuerAndSubject(anyText, anyText)],
    exact: (text) => splits(text).map(({ before, after }) => issuerAndSubject({ exact: before }, { exact: after })),
    prefix: (text) => [
      issuerAndSubject({ prefix: text }, anyText),
      ...splits(text).map(({ before, after }) => issuerAndSubject({ exact: before }, after === "" ? anyText : { prefix: after })),
    ],
    suffix: (text) => [
      issuerAndSubject(anyText, { suffix: text }),
      ...splits(text).map(({ before, after }) => issuerAndSubject(before === "" ? anyText : { suffix: before }, { exact: after })),
    ],
  });
  const [only] = ids;
  return only !== undefined && ids.length === 1 ? only : { orIds: { ids: ids.length === 0 ? [never] : ids } };
}

const never: PrincipalJson = { notId: { any: true } };

function splits(text: string): readonly { readonly before: string; readonly after: string }[] {
  return [...text.matchAll(/\//g)].map(({ index }) => ({ before: text.slice(0, index), after: text.slice(index + 1) }));
}
