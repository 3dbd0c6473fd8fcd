// A request as AuthorizationPolicies see it at the server's proxy. Made by `lateen policy can` and by tests; read by decideAccess.

import type { JsonObject } from "../../api/json.ts";
import type { PathNormalization } from "../../model/mesh.ts";
import type { EffectiveMtlsMode } from "../../model/policies.ts";

export interface AccessRequest {
  /** URI SANs of the client's validated certificate; empty for plaintext. */
  readonly peer: readonly string[];
  /** Address of the connection's other end. */
  readonly sourceIp: string;
  /** Address of the client as trusted hops tell it; usually the same. */
  readonly remoteIp: string;
  /** Of the pod and its application. */
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** SNI of the handshake, "" when there was none. */
  readonly serverName: string;
  /** Undefined on a TCP port. */
  readonly http?: HttpAttributes;
  /** Dynamic metadata that other filters set, by filter name. */
  readonly metadata?: Readonly<Record<string, JsonObject>>;
}

export interface HttpAttributes {
  readonly method: string;
  /** Host header with its port. */
  readonly authority: string;
  /** As the client sent it, query string included. */
  readonly path: string;
  /** In this order; repeated names are several pairs. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Payload of the verified JWT. */
  readonly claims?: JsonObject;
}

export interface AccessOptions {
  /** The mesh's own trust domain, then its aliases. */
  readonly trustDomains: readonly string[];
  /** What the port accepts (see mtlsModeOf); PERMISSIVE when unset. */
  readonly mtls?: EffectiveMtlsMode;
  /** How the proxy reads paths (MeshSettings); BASE when unset. */
  readonly pathNormalization?: PathNormalization;
}
