// The key of an AuthorizationPolicy's condition, read: "request.auth.claims[a][b]" → what to look at. Unknown keys are refused.
// Source: Istio pilot/pkg/security/authz/model/model.go and generator.go.

import { isHeaderName } from "../names.ts";

/** The attributes that take no argument. */
export const plainConditionKeys = [
  "source.ip",
  "remote.ip",
  "source.namespace",
  "source.serviceAccount",
  "source.trustDomain",
  "source.principal",
  "request.auth.principal",
  "request.auth.audiences",
  "request.auth.presenter",
  "destination.ip",
  "destination.port",
  "connection.sni",
] as const;

export type ConditionKey =
  | { readonly attribute: (typeof plainConditionKeys)[number] }
  /** Lower case. */
  | { readonly attribute: "request.headers"; readonly header: string }
  /** Path into the token's payload; at least one step. */
  | { readonly attribute: "request.auth.claims"; readonly claims: readonly string[] }
  /** Dynamic metadata of another filter: its name and a key. */
  | { readonly attribute: "filter"; readonly filter: string; readonly key: string };

/** Reads a key; undefined when there is no such attribute. */
export function conditionKeyOf(text: string): ConditionKey | undefined {
  const plain = plainConditionKeys.find((key) => key === text);
  if (plain !== undefined) return { attribute: plain };
  const bracket = text.indexOf("[");
  if (bracket < 0) return undefined;
  const [name, args] = [text.slice(0, bracket), bracketed(text.slice(bracket))];
  const [first, ...more] = args;
  if (first === undefined) return undefined;
  if (name === "request.auth.claims") return { attribute: "request.auth.claims", claims: args };
  if (more.length > 0) return undefined;
  if (name === "request.headers") {
    return isHeaderName(first.replace(/^:/, "")) ? { attribute: "request.headers", header: first.toLowerCase() } : undefined;
  }
  const prefix = "experimental.";
  if (!name.startsWith(`${prefix}envoy.filters.`)) return undefined;
  return { attribute: "filter", filter: name.slice(prefix.length), key: first };
}

/** "[a][b.c]" → ["a", "b.c"]; empty when it isn't of that form. */
function bracketed(text: string): readonly string[] {
  if (!/^(?:\[[^[\]]+\])+$/.test(text)) return [];
  return text.slice(1, -1).split("][");
}

/** Whether an attribute exists in HTTP requests only, so that a TCP port can't decide about it. */
export function isHttpOnly(key: ConditionKey): boolean {
  return key.attribute.startsWith("request.") || (key.attribute === "filter" && !key.filter.startsWith("envoy.filters.network."));
}
