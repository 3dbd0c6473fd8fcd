// Which http route and match block of which VirtualService an Envoy route was made from → metadata of the route, so that a proxy can say of a request
// what decided it; and back.

import type { HttpMatchRequest } from "../../api/networking/virtual-service.ts";
import type { RouteRule } from "../../model/routes.ts";

/** Namespace of the metadata; its key is "rule". */
export const ruleMetadata = "lateen";

/** A place in a VirtualService. */
export interface RulePlace {
  readonly namespace: string;
  readonly name: string;
  /** Index in spec.http. */
  readonly http: number;
  /** Index in that route's match; undefined for a route without match. */
  readonly match: number | undefined;
}

/** "shop/web http[2].match[0]". */
export function ruleText({ virtualService, route, release }: RouteRule, match: HttpMatchRequest | undefined): string {
  const { metadata, spec } = virtualService;
  const block = match === undefined ? "" : `.match[${route.match.indexOf(match)}]`;
  return `${metadata.namespace}/${metadata.name} http[${spec.http.indexOf(release?.written ?? route)}]${block}`;
}

/** The place that `ruleText` wrote; undefined for anything else. */
export function parseRuleText(text: string): RulePlace | undefined {
  const [, namespace, name, http, match] = /^([^\s/]+)\/(\S+) http\[(\d+)\](?:\.match\[(\d+)\])?$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined || http === undefined) return undefined;
  return { namespace, name, http: Number(http), match: match === undefined ? undefined : Number(match) };
}
