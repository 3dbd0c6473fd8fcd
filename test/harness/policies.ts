// AuthorizationPolicies for tests, written as YAML.

import type { AuthorizationPolicy } from "../../src/api/security/authorization-policy.ts";
import { securityKinds } from "../../src/api/security/kinds.ts";
import { parseYaml } from "../../src/api/yaml.ts";

/** Every document of a text; only their structure must hold, because tests also write what no check would let pass. */
export function testPolicies(yaml: string): readonly AuthorizationPolicy[] {
  return parseYaml(yaml, "policies.yaml").map((document) => {
    const { value, findings } = securityKinds.AuthorizationPolicy.read(document.value);
    if (value === undefined) throw new Error(`not an AuthorizationPolicy: ${JSON.stringify([document.findings, findings])}`);
    return value;
  });
}

/** One policy of namespace "a" from its spec. */
export function testPolicy(spec: object, { name = "p", dryRun = false } = {}): AuthorizationPolicy {
  const metadata = { name, namespace: "a", annotations: dryRun ? { "istio.io/dry-run": "true" } : {} };
  const raw = { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata, spec };
  const { value, findings } = securityKinds.AuthorizationPolicy.read(raw);
  if (value === undefined) throw new Error(`not an AuthorizationPolicy: ${JSON.stringify(findings)}`);
  return value;
}
