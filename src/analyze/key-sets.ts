// What the control plane could not fetch → findings on the RequestAuthentications that rely on it.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { resourceName } from "../api/resource.ts";
import { keySourceOf, type RequestAuthentication } from "../api/security/request-authentication.ts";

export interface KeySetState {
  /** Fetched key sets by address. */
  readonly jwks: ReadonlyMap<string, string>;
  /** Why the last fetch failed, by address. */
  readonly problems: ReadonlyMap<string, string>;
}

/** One finding per rule whose keys can't be fetched, with what that means for its tokens. */
export function keySetFindings(policies: readonly RequestAuthentication[], { jwks, problems }: KeySetState): readonly Diagnostic[] {
  if (problems.size === 0) return [];
  return policies.flatMap((policy) =>
    policy.spec.jwtRules.flatMap((rule, index) => {
      const source = keySourceOf(rule);
      if (source === undefined || "inline" in source) return [];
      const problem = problems.get(source.uri);
      if (problem === undefined) return [];
      const field = rule.jwksUri === undefined ? (rule.jwks_uri === undefined ? "issuer" : "jwks_uri") : "jwksUri";
      const effect = jwks.has(source.uri)
        ? "those fetched before are still used"
        : `every token ${rule.issuer ? `of ${rule.issuer} ` : ""}gets 401`;
      const message = `the keys at ${source.uri} can't be fetched: ${problem}; ${effect}`;
      return [diagnosticOf({ code: "LTN0823", path: ["spec", "jwtRules", index, field], message }, resourceName(policy))];
    }),
  );
}
