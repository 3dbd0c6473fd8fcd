// How connections of a cluster are protected: by the DestinationRule's tls block, else mutual TLS wherever the server's proxy accepts it.

import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { ResourceReference } from "../../envoy/config.ts";
import { meshServerName } from "../../envoy/names.ts";
import type { EffectivePolicy } from "../../model/destinations.ts";
import type { MeshSettings, PortProtocol } from "../../model/mesh.ts";
import { isHttp } from "../../model/protocol.ts";
import { exactUri, meshSecretReferences, upstreamTlsSocket } from "../tls-context.ts";
import { speaksHttp2 } from "./http-protocol-options.ts";
import { type MeshPeer, meshTlsSocket, peerNames, socketPerEndpoint } from "./mesh-tls.ts";
import { originatedTls } from "./origination.ts";

/** How endpoints say what they accept: each for itself (EDS), or all alike because nothing is known of a single address. */
export type EndpointTls = "per endpoint" | "all" | "none";

export interface ClusterTlsInput {
  readonly policy: EffectivePolicy;
  readonly protocol: PortProtocol;
  readonly settings: MeshSettings;
  /** The services behind the cluster; the first one's names are asked for. */
  readonly peers: readonly [MeshPeer, ...MeshPeer[]];
  readonly port: number;
  readonly subset: string;
  readonly endpoints: EndpointTls;
}

export interface ClusterTls {
  readonly sockets: Pick<ClusterJson, "transportSocket" | "transportSocketMatches">;
  /** The secrets that the sockets name. */
  readonly references: readonly ResourceReference[];
  /** Whether TLS names the host of each request. */
  readonly autoSni: boolean;
}

/** Plaintext. */
export const noTls: ClusterTls = { sockets: {}, references: [], autoSni: false };

/** The sockets of a cluster's connections. */
export function clusterTls(input: ClusterTlsInput): ClusterTls {
  const { tls } = input.policy;
  if (tls === undefined) return automaticTls(input);
  switch (tls.mode) {
    case "ISTIO_MUTUAL":
      return { ...noTls, sockets: { transportSocket: meshSocket(input) }, references: meshSecretReferences };
    case "SIMPLE":
    case "MUTUAL": {
      const [{ service }] = input.peers;
      const isHttp2 = speaksHttp2(input.protocol, input.policy.connectionPool?.http);
      const { context, references } = originatedTls({ tls, service, isHttp2, settings: input.settings });
      const isRequest = isHttp(input.protocol) || input.protocol === "detect";
      return { sockets: { transportSocket: upstreamTlsSocket(context) }, references, autoSni: isRequest && (tls.sni ?? "") === "" };
    }
    default:
      return noTls;
  }
}

function automaticTls(input: ClusterTlsInput): ClusterTls {
  const { settings, peers, endpoints } = input;
  const isInside = peers.some(({ service }) => !service.external);
  if (!settings.enableAutoMtls || !isInside || endpoints === "none") return noTls;
  const socket = meshSocket(input);
  const sockets = endpoints === "all" ? { transportSocket: socket } : socketPerEndpoint(socket);
  return { ...noTls, sockets, references: meshSecretReferences };
}

function meshSocket({ policy, protocol, settings, peers, port, subset }: ClusterTlsInput) {
  const tls = policy.tls?.mode === "ISTIO_MUTUAL" ? policy.tls : undefined;
  const named = tls?.subjectAltNames ?? [];
  return meshTlsSocket({
    peers: named.length > 0 ? named.toSorted().map(exactUri) : peerNames(peers, settings),
    serverName: nonEmpty(tls?.sni) ?? meshServerName(port, subset, peers[0].service.hostname),
    protocol,
    settings,
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
