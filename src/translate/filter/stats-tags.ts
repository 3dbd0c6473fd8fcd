// What proxies know of a request or connection → the composite tags of its counts, as Envoy's format strings. Few, since each costs CPU; nothing in them
// names one pod, since listeners are shared; nothing that a stranger chooses, since every value is a series.

import { type compositeTags, joinParts } from "../../telemetry/composite-tags.ts";
import { serviceKey, targetKey } from "../service-text.ts";

/** Where it is counted: at its client (sidecars' outbound side, gateways), or at its server. */
export type StatsSide = { readonly reporter: "source" } | ServerSide;

export interface ServerSide {
  readonly reporter: "destination";
  /** The service of the port (`serviceText`). */
  readonly service: string;
  /** Whether the client has shown a certificate of the mesh. */
  readonly isMutual: boolean;
}

/** What is counted. */
export interface Counted {
  /** "request": HTTP and gRPC in one logger, told apart by the status that only gRPC has. */
  readonly protocol: "http" | "grpc" | "request" | "tcp";
  /** A copy of somebody's request. */
  readonly mirrored: boolean;
}

/** Names and format strings, in the order in which Envoy writes them. */
export type TagFormats = Readonly<Partial<Record<keyof typeof compositeTags, string>>>;

const inCluster = { command: "CLUSTER_METADATA", param: `istio:${serviceKey}` };
const inVirtualHost = { command: "METADATA", param: `VIRTUAL_HOST:istio:${serviceKey}` };

/** The first of them that is there. */
function firstOf(...operators: readonly object[]): string {
  return `%COALESCE(${JSON.stringify({ operators })})%`;
}

/** Without a cluster (answered by a route, refused for its host) the virtual host says whose request it was. */
export const requestedService = firstOf(inCluster, inVirtualHost);

/** The endpoint's service and workload; without an endpoint of ours the service alone. */
const target = firstOf({ command: "UPSTREAM_METADATA", param: `istio:${targetKey}` }, inCluster, inVirtualHost);

const flags = "%RESPONSE_CODE%;%RESPONSE_FLAGS%";

/** The tags of a request or a connection. */
export function tagFormats(side: StatsSide, { protocol, mirrored }: Counted): TagFormats {
  const traffic = joinParts([side.reporter, protocol === "request" ? "http" : protocol, mirrored ? "1" : ""]);
  const response = protocol === "grpc" || protocol === "request" ? `${flags};%GRPC_STATUS_NUMBER%` : flags;
  if (side.reporter === "source") {
    const security = "unknown;;%UPSTREAM_PEER_URI_SAN%";
    if (protocol !== "tcp") return { traffic, service: target, response, security };
    const service = `%CLUSTER_METADATA(istio:${serviceKey})%`;
    return { traffic, destination: "%UPSTREAM_METADATA(istio:workload)%", service, response, security };
  }
  const { service, isMutual } = side;
  if (!isMutual) return { traffic, service, response, security: "none" };
  return { traffic, source: "%DOWNSTREAM_PEER_DNS_SAN%", service, response, security: "mutual_tls;;%DOWNSTREAM_PEER_URI_SAN%" };
}
