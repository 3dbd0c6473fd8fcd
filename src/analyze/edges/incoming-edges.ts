// The edges that no client's proxy counts: callers without a sidecar, and the world outside at gateways. Pure; a part of edgesOf.

import type { Mesh, MeshProxy } from "../../model/mesh.ts";
import type { HttpCounters, ProxyCounters } from "./counters.ts";
import { type Edge, edgeKey, mergedEdge, workloadEnd } from "./edge.ts";

export interface IncomingWorld {
  readonly mesh: Pick<Mesh, "proxies">;
  /** Names of pods without a proxy. */
  readonly withoutProxy: readonly string[];
  /** By proxy id. */
  readonly counters: ReadonlyMap<string, ProxyCounters>;
}

/** Connections that came from nobody's proxy: callers without a sidecar, and the world outside at gateways. */
export function incomingEdges(place: IncomingWorld): readonly Edge[] {
  const edges = [...place.counters].flatMap(([id, { inbound, gateway }]) => {
    const proxy = place.mesh.proxies.get(id);
    if (proxy === undefined) return [];
    return [
      ...[...inbound].flatMap(([port, http]) => plaintextCallers(proxy, { port, http }, place)),
      ...[...gateway].flatMap(([port, http]) => outsideCallers(proxy, port, http)),
    ];
  });
  return [...Map.groupBy(edges, edgeKey)].flatMap(([, same]) => mergedEdge(same));
}

function plaintextCallers(
  proxy: MeshProxy,
  { port, http }: { readonly port: number; readonly http: HttpCounters },
  place: IncomingWorld,
): readonly Edge[] {
  const fromProxies = [...place.counters].flatMap(([, { clusters }]) =>
    clusters
      // A proxy's own way to its application bears the same address.
      .filter(({ name, handshakes, connections }) => !name.toLowerCase().startsWith("inbound") && handshakes < connections)
      .flatMap(({ endpoints }) => endpoints.filter(({ address }) => address === `${proxy.address}:${port}`)),
  );
  const proxied = fromProxies.reduce((sum, { connections }) => sum + connections, 0);
  const connections = http.connections - http.tlsConnections - proxied;
  if (connections <= 0) return [];
  const declared = proxy.inbound.find((inbound) => inbound.port === port);
  const names = place.withoutProxy.slice(0, 3).join(", ");
  const active = Math.max(0, http.active - http.tlsActive - fromProxies.reduce((sum, endpoint) => sum + endpoint.active, 0));
  return [
    {
      from: { name: "(no sidecar)", kind: "unknown" },
      to: workloadEnd(proxy),
      port: declared?.servicePort.number ?? port,
      protocol: declared?.servicePort.protocol ?? "http",
      encryption: "none",
      reason: `the caller has no sidecar${names === "" ? "" : `; pods without one: ${names}${place.withoutProxy.length > 3 ? ", …" : ""}`}`,
      connections,
      // Requests are counted for all callers together.
      requests: http.tlsConnections === 0 && proxied === 0 ? http.requests : 0,
      active,
    },
  ];
}

function outsideCallers(proxy: MeshProxy, port: number, http: HttpCounters): readonly Edge[] {
  if (http.connections === 0) return [];
  const { connections, tlsConnections, active, requests } = http;
  const encryption = tlsConnections === 0 ? "none" : tlsConnections >= connections ? "tls" : "partly";
  const reason = encryption === "tls" ? "the gateway ends the clients' TLS" : `the gateway takes plaintext on port ${port}`;
  return [
    {
      from: { name: "(outside)", kind: "external" },
      to: workloadEnd(proxy),
      port,
      protocol: "http",
      encryption,
      reason,
      connections,
      requests,
      active,
    },
  ];
}
