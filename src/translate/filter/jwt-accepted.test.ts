// Whatever the checks of RequestAuthentication let pass, a real Envoy takes: one rule that it refuses would hold back all rules of a proxy.

import fc from "fast-check";
import { expect, test } from "vitest";
import { startJwtEnvoy } from "../../../test/harness/jwt-envoy.ts";
import { keySetOf, tokenSigner } from "../../../test/harness/tokens.ts";
import { codes } from "../../api/codes.ts";
import { kinds } from "../../api/registry.ts";
import type { RequestAuthentication } from "../../api/security/request-authentication.ts";
import { jwtAuthentication } from "./jwt.ts";

const text = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "A",
    "*",
    "a.b",
    "a..b",
    ".",
    "[a]",
    "x-a",
    "X-B",
    "authorization",
    "cookie",
    "set-cookie",
    "scope",
    "a b",
    "a\nb",
    "é",
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 8 }),
);
const texts = fc.array(text, { maxLength: 3 });
const header = fc.oneof(
  fc.constantFrom(
    "host",
    "Host",
    ":path",
    ":authority",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "x-envoy-a",
    "x-a",
    "X-A",
    "a_b",
  ),
  text,
);
const keys = keySetOf(tokenSigner("ES256", "a"));
const rule = fc.record(
  {
    issuer: fc.oneof(text, fc.constant("https://a.example")),
    audiences: texts,
    jwks: fc.constantFrom(keys, "{}", ""),
    fromHeaders: fc.array(fc.record({ name: header, prefix: text }, { requiredKeys: ["name"] }), { maxLength: 2 }),
    fromParams: texts,
    fromCookies: texts,
    outputPayloadToHeader: header,
    outputClaimToHeaders: fc.array(fc.record({ header, claim: text }), { maxLength: 2 }),
    forwardOriginalToken: fc.boolean(),
    spaceDelimitedClaims: texts,
  },
  { requiredKeys: ["issuer"] },
);

/** Undefined when the checks refuse it. */
function accepted(jwtRule: unknown, index: number): RequestAuthentication | undefined {
  const raw = {
    apiVersion: "security.istio.io/v1",
    kind: "RequestAuthentication",
    metadata: { name: `r${index}`, namespace: "a" },
    spec: { jwtRules: [jwtRule] },
  };
  const { value, findings } = kinds.RequestAuthentication.read(raw);
  return findings.some(({ code }) => codes[code].severity === "error") ? undefined : value;
}

test("random rules", { timeout: 120_000 }, async () => {
  const policies = fc
    .sample(rule, { seed: 11, numRuns: 20_000 })
    .map(accepted)
    .filter((policy) => policy !== undefined);
  expect(policies.length).toBeGreaterThan(300);
  await using envoy = await startJwtEnvoy({});
  const options = { keySets: new Map<string, string>(), clearRouteCache: false };
  const refused: string[] = [];
  const tryAll = async (list: readonly RequestAuthentication[]): Promise<void> => {
    const isTaken = await envoy.load(jwtAuthentication(list, options)).then(
      () => true,
      () => false,
    );
    if (isTaken) return;
    if (list.length === 1) {
      refused.push(JSON.stringify(list[0]?.spec.jwtRules));
      return;
    }
    await tryAll(list.slice(0, list.length / 2));
    await tryAll(list.slice(list.length / 2));
  };
  await tryAll(policies);
  expect(refused.slice(0, 20)).toEqual([]);
});
