// Builders of the security objects that tests apply.

import { stringify } from "yaml";

const apiVersion = "security.istio.io/v1";

/** YAML of one object of security.istio.io in namespace default, or "namespace/name". */
export function securityYaml(kind: string, name: string, spec: object): string {
  const [first = "", second] = name.split("/");
  const metadata = second === undefined ? { name: first, namespace: "default" } : { name: second, namespace: first };
  return stringify({ apiVersion, kind, metadata, spec });
}

export type MtlsMode = "STRICT" | "PERMISSIVE" | "DISABLE";

/** What the pods of an app accept, named after the app; `ports` of the application may differ. */
export function acceptsYaml(app: string, mode: MtlsMode, ports: Readonly<Record<number, MtlsMode>> = {}): string {
  const entries = Object.entries(ports).map(([port, own]) => [port, { mode: own }]);
  const portLevelMtls = entries.length === 0 ? {} : { portLevelMtls: Object.fromEntries(entries) };
  return securityYaml("PeerAuthentication", app, { selector: { matchLabels: { app } }, mtls: { mode }, ...portLevelMtls });
}

/** An AuthorizationPolicy for the pods of an app. */
export function policyYaml(name: string, app: string, spec: object): string {
  return securityYaml("AuthorizationPolicy", name, { selector: { matchLabels: { app } }, ...spec });
}
