// Values of an AuthorizationPolicy → Envoy's matchers. A user's text becomes part of a regex only escaped, and every regex is a full match.

import type { CidrRangeJson } from "#envoy/envoy/config/core/v3/address_pb.js";
import type { StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";

/** Any text of at least one character, line breaks included. */
export const anyText: StringMatcherJson = { safeRegex: { regex: "(?s).+" } };

/** The text with everything that RE2 could read as syntax escaped. */
export function regexLiteral(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}

/** "*" any, "a*" prefix, "*a" suffix, "a" exact; `parts` builds what stands for each. Istio's order: "*" at the beginning counts first. */
export function byNotation<T>(
  value: string,
  parts: {
    readonly present: () => T;
    readonly suffix: (text: string) => T;
    readonly prefix: (text: string) => T;
    readonly exact: (text: string) => T;
  },
): T {
  if (value === "*") return parts.present();
  if (value.startsWith("*")) return parts.suffix(value.slice(1));
  return value.endsWith("*") ? parts.prefix(value.slice(0, -1)) : parts.exact(value);
}

/** A text compared as it is. */
export function textMatcher(value: string): StringMatcherJson {
  return byNotation<StringMatcherJson>(value, {
    present: () => anyText,
    suffix: (suffix) => ({ suffix }),
    prefix: (prefix) => ({ prefix }),
    exact: (exact) => ({ exact }),
  });
}

/** A server name: Envoy has it in lower case already, the policy need not. */
export function serverNameMatcher(value: string): StringMatcherJson {
  return value === "*" ? anyText : { ...textMatcher(value), ignoreCase: true };
}

/** RE2 of a value that must not reach over a slash: "a*" → "a[^/]*". */
export function segmentRegex(value: string): string {
  return byNotation(value, {
    present: () => "[^/]+",
    suffix: (text) => `[^/]*${regexLiteral(text)}`,
    prefix: (text) => `${regexLiteral(text)}[^/]*`,
    exact: regexLiteral,
  });
}

/** "10.0.0.0/8" or one address. */
export function cidrRange(block: string): CidrRangeJson {
  const [addressPrefix = "", length] = block.split("/");
  const full = addressPrefix.includes(":") ? 128 : 32;
  return { addressPrefix, prefixLen: length === undefined ? full : Number(length) };
}

/**
 * A host in any case. Without a port it stands for every port, and for the same name with a final dot: "secret.example:80" and
 * "secret.example." reach the same application (Istio compares the text alone and leaves the port to the policy's writer).
 */
export function hostMatcher(value: string): StringMatcherJson {
  if (/:(?:\d+|\*)$/.test(value)) return { ...textMatcher(value), ignoreCase: true };
  const tail = "\\.?(?::[0-9]*)?";
  return byNotation<StringMatcherJson>(value, {
    present: () => anyText,
    suffix: (text) => ({ safeRegex: { regex: `(?is).*${regexLiteral(text)}${tail}` } }),
    prefix: (prefix) => ({ prefix, ignoreCase: true }),
    exact: (text) => ({ safeRegex: { regex: `(?i)${regexLiteral(text)}${tail}` } }),
  });
}

/** A path template: {*} is one segment that is not empty, {**} any rest. */
export function templateRegex(template: string): string {
  return template
    .split("/")
    .map((segment) => (segment === "{*}" ? "[^/]+" : segment === "{**}" ? "(?s:.*)" : regexLiteral(segment)))
    .join("/");
}
