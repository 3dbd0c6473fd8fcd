// Which key sets the RequestAuthentications of a mesh need from elsewhere. Read by the control plane's fetcher.

import { keySourceOf, type RequestAuthentication } from "../api/security/request-authentication.ts";
import { type DurationMs, durationMs } from "../lib/duration.ts";
import { compare } from "./visibility.ts";

export interface WantedKeySet {
  /** Its name in MeshInputs.jwks, too. */
  readonly uri: string;
  /** The address may be an OpenID provider's description, whose jwks_uri says where the keys are. */
  readonly isDiscovery: boolean;
  /** The longest that a rule grants. */
  readonly timeout: DurationMs;
}

/** Each address once, sorted. */
export function wantedKeySets(policies: readonly RequestAuthentication[]): readonly WantedKeySet[] {
  const wanted = new Map<string, WantedKeySet>();
  for (const { spec } of policies) {
    for (const rule of spec.jwtRules) {
      const source = keySourceOf(rule);
      if (source === undefined || "inline" in source) continue;
      const { uri, isDiscovery, timeout } = source;
      const known = wanted.get(uri) ?? { uri, isDiscovery, timeout };
      wanted.set(uri, {
        uri,
        isDiscovery: known.isDiscovery || isDiscovery,
        timeout: durationMs(Math.max(known.timeout, timeout)),
      });
    }
  }
  return [...wanted.values()].sort((a, b) => compare(a.uri, b.uri));
}
