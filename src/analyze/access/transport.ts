// How a connection between two workloads travels: mutual TLS, other TLS or plaintext, and which object makes it so. Pure; for the commands that
// explain policies and edges, and for checks. The same decision as the clusters' (translate/cluster) and listeners', told in words.

import type { DestinationRule } from "../../api/networking/destination-rule.ts";
import { resourceName } from "../../api/resource.ts";
import { effectivePolicy, subsetOf } from "../../model/destinations.ts";
import type { DestinationPolicy, MeshSettings } from "../../model/mesh.ts";
import type { EffectiveMtlsMode } from "../../model/policies.ts";

export interface Transport {
  readonly kind: "mtls" | "tls" | "plaintext";
  /** Why it isn't mutual TLS of the mesh; undefined when it is. */
  readonly reason?: string;
  /** The object that makes it so: "PeerAuthentication shop/default", "DestinationRule shop/web". */
  readonly source?: string;
  /** The server refuses such connections: why. */
  readonly refusal?: string;
}

export interface TransportQuestion {
  readonly settings: Pick<MeshSettings, "enableAutoMtls">;
  /** What stands beside the client. */
  readonly client: "sidecar" | "gateway" | undefined;
  /** What the client's proxy applies to the destination; undefined when no rule is for it. */
  readonly policy: DestinationPolicy | undefined;
  /** Of the service. */
  readonly port: number;
  readonly subset?: string;
  readonly server: Server;
}

export interface Server {
  /** Undefined without a proxy. */
  readonly mode: EffectiveMtlsMode | undefined;
  /** The PeerAuthentication that says so; undefined for the default. */
  readonly source: string | undefined;
}

/** Decides it. */
export function transportOf({ settings, client, policy, port, subset, server }: TransportQuestion): Transport {
  if (client === undefined) return answered({ kind: "plaintext", reason: "the caller has no sidecar" }, server);
  const tls = effectivePolicy(policy, port, subsetOf(policy, subset)).tls;
  const rule = policy === undefined || tls === undefined ? undefined : ruleWith(policy.rules, tls);
  const source = rule === undefined ? undefined : resourceName(rule);
  const mode = tls?.mode;
  if (mode === "DISABLE" && source !== undefined) {
    return answered({ kind: "plaintext", reason: `${source} says tls DISABLE`, source }, server);
  }
  if ((mode === "SIMPLE" || mode === "MUTUAL") && source !== undefined) {
    return answered({ kind: "tls", reason: `${source} says tls ${mode}, which isn't the mesh's own TLS`, source }, server);
  }
  if (mode === "ISTIO_MUTUAL" && source !== undefined) return answered({ kind: "mtls", source }, server);
  if (!settings.enableAutoMtls) return answered({ kind: "plaintext", reason: "MeshConfig.enableAutoMtls is off" }, server);
  if (server.mode === undefined) return { kind: "plaintext", reason: "the server has no sidecar" };
  if (server.mode !== "DISABLE") return { kind: "mtls" };
  const peer = server.source ?? "a PeerAuthentication";
  return { kind: "plaintext", reason: `${peer} says DISABLE for this port`, source: peer };
}

/** Adds what the server does with it. */
function answered(transport: Transport, { mode, source }: Server): Transport {
  const name = source ?? "PeerAuthentication";
  if (mode === "STRICT" && transport.kind !== "mtls") return { ...transport, refusal: `the port takes mutual TLS only (${name}: STRICT)` };
  if (mode === "DISABLE" && transport.kind === "mtls") return { ...transport, refusal: `the port takes plaintext only (${name}: DISABLE)` };
  if (mode === undefined && transport.kind === "mtls")
    return { ...transport, refusal: "the server has no sidecar that could speak mutual TLS" };
  return transport;
}

/** The rule a block of TLS settings stands in. */
function ruleWith(rules: readonly DestinationRule[], tls: object): DestinationRule | undefined {
  return rules.find(({ spec }) =>
    [spec.trafficPolicy, ...spec.subsets.map(({ trafficPolicy }) => trafficPolicy)].some(
      (policy) => policy !== undefined && (policy.tls === tls || policy.portLevelSettings.some((port) => port.tls === tls)),
    ),
  );
}
