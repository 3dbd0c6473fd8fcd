// RequestAuthentication (security.istio.io): schema, types and checks. Says which JWTs are accepted; a request without one passes.
// Fields follow istio/api security/v1beta1/request_authentication.proto.

import { z } from "zod";
import { type DurationMs, durationMs } from "../../lib/duration.ts";
import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isHeaderName } from "../names.ts";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, duration, stringList } from "../scalars.ts";
import { parseKeySet } from "./key-set.ts";
import { checkSelection, targetRef, workloadSelector } from "./selection.ts";

const jwtRule = z.strictObject({
  /** Tokens of any issuer when empty. */
  issuer: z.string().optional(),
  /** Any audience when empty (Istio's documentation says otherwise, its code doesn't). */
  audiences: stringList,
  /** Fetched by the control plane, HTTPS only. */
  jwksUri: z.string().optional(),
  /** Old spelling of jwksUri. */
  jwks_uri: z.string().optional(),
  /** JSON Web Key Set as text. */
  jwks: z.string().optional(),
  /** `Authorization: Bearer ` and the parameter access_token when no place is given. */
  fromHeaders: z.array(z.strictObject({ name: z.string(), prefix: z.string().optional() })).default([]),
  fromParams: stringList,
  fromCookies: stringList,
  outputPayloadToHeader: z.string().optional(),
  /** The token is removed from the request unless true. */
  forwardOriginalToken: z.boolean().optional(),
  outputClaimToHeaders: z.array(z.strictObject({ header: z.string(), claim: z.string() })).default([]),
  /** Of fetching keys; 5 s when unset. */
  timeout: duration.optional(),
  /** Claims whose text is a list with spaces, besides scope and permission. */
  spaceDelimitedClaims: stringList,
});

export const requestAuthenticationSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("RequestAuthentication"),
  metadata: namespacedMetaSchema,
  spec: z
    .strictObject({
      selector: workloadSelector.optional(),
      targetRef: targetRef.optional(),
      targetRefs: z.array(targetRef).default([]),
      jwtRules: z.array(jwtRule).default([]),
    })
    .default({ targetRefs: [], jwtRules: [] }),
  status: anyStatus,
});

export type RequestAuthentication = z.output<typeof requestAuthenticationSchema>;
export type JwtRule = z.output<typeof jwtRule>;

/** Where a rule's keys are fetched from, in either spelling. */
export function jwksUriOf({ jwksUri, jwks_uri }: JwtRule): string | undefined {
  return jwksUri ?? jwks_uri;
}

/** Where a rule's keys come from: its own text, or what the control plane fetches from `uri`. */
export type KeySource =
  | { readonly inline: string }
  | {
      readonly uri: string;
      /** The address is an OpenID provider's description, whose jwks_uri says where the keys are (OpenID Connect Discovery 1.0, 4). */
      readonly isDiscovery: boolean;
      readonly timeout: DurationMs;
    };

/** Istio's and Envoy's default. */
const defaultTimeout = durationMs(5000);

/** A rule that names no keys means those its issuer publishes, as in Istio; undefined when the issuer is no HTTPS address either. */
export function keySourceOf(rule: JwtRule): KeySource | undefined {
  const timeout = rule.timeout ?? defaultTimeout;
  const uri = jwksUriOf(rule);
  if (rule.jwks) return { inline: rule.jwks };
  if (uri) return { uri, isDiscovery: false, timeout };
  if (rule.issuer === undefined || !rule.issuer.startsWith("https://") || !URL.canParse(rule.issuer)) return undefined;
  return { uri: `${rule.issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`, isDiscovery: true, timeout };
}

/** All findings of one RequestAuthentication. */
export function checkRequestAuthentication({ spec }: RequestAuthentication): readonly Finding[] {
  return [...checkSelection(spec), ...spec.jwtRules.flatMap((rule, index) => checkJwtRule(rule, ["spec", "jwtRules", index]))];
}

function checkJwtRule(rule: JwtRule, path: FieldPath): readonly Finding[] {
  return [...checkIssuer(rule, path), ...checkKeys(rule, path), ...checkPlaces(rule, path), ...checkOutput(rule, path)];
}

/** Istio takes a rule without issuer when it says where the keys are: their owner may name himself as he likes. */
function checkIssuer(rule: JwtRule, path: FieldPath): readonly Finding[] {
  const { issuer, audiences } = rule;
  const isMissing = (issuer ?? "") === "" && (jwksUriOf(rule) ?? "") === "";
  const missing = isMissing ? [invalid([...path, "issuer"], "must name the tokens' issuer, unless jwksUri is set")] : [];
  return [...missing, ...noneEmpty(audiences, [...path, "audiences"])];
}

function checkKeys(rule: JwtRule, path: FieldPath): readonly Finding[] {
  const { jwks, jwksUri, jwks_uri } = rule;
  const given = [jwks, jwksUri, jwks_uri].filter((value) => value !== undefined).length;
  if (given > 1) return [invalid(path, "gives keys in more than one way", "Keep one of jwks and jwksUri.")];
  const uri = jwksUriOf(rule);
  if (uri !== undefined) return checkUri(uri, [...path, jwksUri === undefined ? "jwks_uri" : "jwksUri"]);
  if (jwks !== undefined) return checkKeySet(jwks, [...path, "jwks"]);
  return [];
}

function checkUri(uri: string, path: FieldPath): readonly Finding[] {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url === undefined) return [invalid(path, "is not a URL")];
  if (url.protocol !== "https:")
    return [invalid(path, "does not begin with https://", "Keys fetched without TLS could be anybody's: use https://.")];
  return url.username === "" && url.password === "" ? [] : [invalid(path, "contains a password", "Leave it out.")];
}

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) });

function checkKeySet(jwks: string, path: FieldPath): readonly Finding[] {
  const parsed = keySet.safeParse(jsonOf(jwks));
  if (!parsed.success) return [invalid(path, 'is no JSON Web Key Set ({"keys": [{"kty": …}]})')];
  const secret = parsed.data.keys.findIndex((key) => key.kty === "oct" || Object.hasOwn(key, "d"));
  if (secret < 0) return unusableKeys(jwks, path);
  return [invalid(path, `key ${secret + 1} is secret`, "Put only public keys here: who can read this could make tokens.")];
}

function unusableKeys(jwks: string, path: FieldPath): readonly Finding[] {
  const { keySet, problems } = parseKeySet(jwks);
  return keySet === undefined ? [invalid(path, `can't verify tokens: ${problems.join("; ")}`)] : [];
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkPlaces({ fromHeaders, fromParams, fromCookies }: JwtRule, path: FieldPath): readonly Finding[] {
  return [
    ...fromHeaders.flatMap(({ name, prefix }, index) => [
      ...headerName(name, [...path, "fromHeaders", index, "name"]),
      ...headerValue(prefix ?? "", [...path, "fromHeaders", index, "prefix"]),
    ]),
    ...noneEmpty(fromParams, [...path, "fromParams"]),
    ...noneEmpty(fromCookies, [...path, "fromCookies"]),
  ];
}

function checkOutput(rule: JwtRule, path: FieldPath): readonly Finding[] {
  const payload = rule.outputPayloadToHeader;
  return [
    ...(payload === undefined ? [] : outputHeader(payload, [...path, "outputPayloadToHeader"])),
    ...rule.outputClaimToHeaders.flatMap(({ header, claim }, index) => {
      const at = [...path, "outputClaimToHeaders", index];
      return [...outputHeader(header, [...at, "header"]), ...(claim === "" ? [invalid([...at, "claim"], "is empty")] : [])];
    }),
    ...noneEmpty(rule.spaceDelimitedClaims, [...path, "spaceDelimitedClaims"]),
    ...(rule.timeout !== undefined && rule.timeout < 1
      ? [{ code: "LTN0211" as const, path: [...path, "timeout"], message: `\`${printPath(path)}.timeout\` is shorter than 1 ms` }]
      : []),
  ];
}

function headerName(name: string, path: FieldPath): readonly Finding[] {
  if (isHeaderName(name)) return [];
  return [{ code: "LTN0213", path, message: `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} is not a header name` }];
}

/** Envoy removes these headers from every request before it writes them; without some of them none would be a request any more. */
const neededHeaders: ReadonlySet<string> = new Set(["host", "connection", "content-length", "te", "transfer-encoding", "upgrade"]);

function outputHeader(name: string, path: FieldPath): readonly Finding[] {
  const isNeeded = neededHeaders.has(name.toLowerCase());
  return isNeeded
    ? [invalid(path, `can't be ${name}: requests need that header as it is`, "Use a header of its own.")]
    : headerName(name, path);
}

function headerValue(value: string, path: FieldPath): readonly Finding[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\0-\x08\x0a-\x1f\x7f]/.test(value) ? [invalid(path, "has control characters, which no header has")] : [];
}

function noneEmpty(values: readonly string[], path: FieldPath): readonly Finding[] {
  return values.flatMap((value, index) => (value === "" ? [invalid([...path, index], "is empty")] : []));
}

function invalid(path: FieldPath, problem: string, fix?: string): Finding {
  const finding: Finding = { code: "LTN0808", path, message: `\`${printPath(path)}\` ${problem}` };
  return fix === undefined ? finding : { ...finding, fix };
}
