// "@request.auth.claims.a.b" and "@request.auth.claims[a][b]": header names of an http match that mean claims of the request's verified token.
// Source: Istio pkg/jwt/jwt.go (ToRoutingClaim).

const prefix = "@request.auth.claims";

/** Whether a header name of a match means something of the token; `claimsOf` says what. */
export function isClaimKey(name: string): boolean {
  return name.toLowerCase().startsWith("@request.auth.");
}

/** The claim's name and those inside of it; undefined when the header name is none of both forms. Names with dots need brackets. */
export function claimsOf(name: string): readonly string[] | undefined {
  if (!name.toLowerCase().startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  if (rest.startsWith(".")) {
    const claims = rest.slice(1).split(".");
    return claims.every((claim) => claim !== "" && !/[[\]]/.test(claim)) ? claims : undefined;
  }
  if (!/^(?:\[[^[\]]+\])+$/.test(rest)) return undefined;
  return rest.slice(1, -1).split("][");
}
