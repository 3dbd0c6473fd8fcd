// Policies and key sets for the Envoy of jwt-envoy.ts, and what a request through it meets.

import { parseKeySet } from "../../src/api/security/key-set.ts";
import { type RequestAuthentication, requestAuthenticationSchema } from "../../src/api/security/request-authentication.ts";
import { jwtAuthentication } from "../../src/translate/filter/jwt.ts";
import { type JwtEnvoy, jwtDetailsHeader, jwtPayloadHeader } from "./jwt-envoy.ts";
import { keySetOf, type TokenSigner } from "./tokens.ts";

/** A key set as the control plane hands it on. */
export function published(...signers: readonly TokenSigner[]): string {
  return parseKeySet(keySetOf(...signers)).keySet ?? "";
}

/** A RequestAuthentication of namespace "shop". */
export function policy(name: string, ...jwtRules: readonly object[]): RequestAuthentication {
  return requestAuthenticationSchema.parse({
    apiVersion: "security.istio.io/v1",
    kind: "RequestAuthentication",
    metadata: { name, namespace: "shop" },
    spec: { jwtRules },
  });
}

/** The filter's configuration for these policies. */
export const configOf = (policies: readonly RequestAuthentication[], keySets: ReadonlyMap<string, string>) =>
  jwtAuthentication(policies, { keySets, clearRouteCache: false });

export interface Answer {
  readonly status: number;
  readonly details: string;
  readonly payload: Readonly<Record<string, unknown>> | undefined;
  readonly upstream: Readonly<Record<string, string>>;
}

/** One request through the filter. */
export async function send(envoy: JwtEnvoy, headers: Readonly<Record<string, string>>, path = "/"): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${envoy.port}${path}`, { headers });
  const payload = response.headers.get(jwtPayloadHeader);
  await response.arrayBuffer();
  return {
    status: response.status,
    details: response.headers.get(jwtDetailsHeader) ?? "",
    payload: payload === null || payload === "-" ? undefined : JSON.parse(payload),
    upstream: JSON.parse(decodeURIComponent(response.headers.get("x-echo") ?? "{}")).headers ?? {},
  };
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
