// How an edge travelled, and which object makes it so: proxies say whether there was mutual TLS, the configuration says why not.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import { resourceName } from "../../api/resource.ts";
import { blackHoleClusterName, passthroughClusterName } from "../../envoy/names.ts";
import type { DestinationPolicy, MeshProxy, MeshService } from "../../model/mesh.ts";
import { decidingPeerAuthentication, mtlsModeOf } from "../../model/policies.ts";
import { declaredProtocol, isTls } from "../../model/protocol.ts";
import { endNames, type TrafficEdge } from "../../telemetry/graph/traffic-edge.ts";
import { type Transport, transportOf } from "../access/transport.ts";
import { type EdgeWorld, endpointOf, gatewaysOf, type KnownWorkload } from "./edge-world.ts";
import type { MeshEdge } from "./mesh-edge.ts";

export type EdgeTransport = Pick<MeshEdge, "encryption" | "reason" | "source">;

type Travelled = Pick<TrafficEdge, "from" | "to" | "service" | "port" | "encryption">;

/** Nothing left the caller's proxy: there is nothing to encrypt. */
export const nothingSent: ReadonlySet<string> = new Set([
  "no connection was made",
  "the caller's proxy answered by itself",
  "nobody has called it yet",
]);

/** What is said of an edge's encryption. */
export function edgeTransport(edge: Travelled, world: EdgeWorld): EdgeTransport {
  const { from, to, service: host } = edge;
  if (from.name === endNames.outside) return outsideTransport(world.workloads.get(to.name), world);
  if (host === blackHoleClusterName) {
    return { encryption: "unknown", reason: "no Service or ServiceEntry is for it, and the mesh refuses such hosts (REGISTRY_ONLY)" };
  }
  if (host === passthroughClusterName) {
    return { encryption: "unknown", reason: "no Service or ServiceEntry is for it: the proxy passes the bytes on as they are" };
  }
  if (to.name === endNames.noDestination) return { encryption: "unknown", reason: "the caller's proxy answered by itself" };
  const caller = world.workloads.get(from.name)?.proxy;
  if (caller === undefined) return edge.encryption === "mtls" ? { encryption: "mtls" } : callerWithoutProxy(edge, world);
  return proxiedTransport(edge, caller, world);
}

/** What the configuration says of a connection between two workloads, or a workload and a host. */
export function expectedTransport(
  { to, service: host, port }: Pick<TrafficEdge, "to" | "service" | "port">,
  caller: MeshProxy,
  world: EdgeWorld,
) {
  const directory = world.mesh.scopes.get(caller.id)?.directory;
  const service = directory?.view(caller.namespace).services.get(host) ?? world.services.get(host);
  const server = world.workloads.get(to.name);
  const policy = service === undefined ? undefined : directory?.policies(caller, service);
  const transport = transportOf({
    settings: world.mesh.settings,
    client: caller.kind,
    policy,
    port,
    subset: server === undefined ? "" : subsetWith(policy, server),
    server: serverOf(world, { server, service, port }),
  });
  return { service, server, transport };
}

function proxiedTransport(edge: Travelled, caller: MeshProxy, world: EdgeWorld): EdgeTransport {
  const { service, server, transport } = expectedTransport(edge, caller, world);
  const { kind, source } = transport;
  const protocol = service?.ports.find(({ number }) => number === edge.port)?.protocol;
  const isDeclaredTls = protocol === "https" || protocol === "tls";
  if (edge.encryption === "mtls") return kind === "tls" ? { encryption: "tls", ...whyOf(transport) } : { encryption: "mtls" };
  if (edge.encryption === "unknown") return { encryption: "unknown", reason: "no connection was made" };
  if (edge.encryption === "partly") {
    return { encryption: "partly", reason: "some of it was plaintext, some mutual TLS", ...(source === undefined ? {} : { source }) };
  }
  if (kind === "tls") return { encryption: "tls", ...whyOf(transport) };
  if (isDeclaredTls) return { encryption: "application", reason: "the application's own TLS, which the proxies pass on" };
  if (kind === "mtls") return { encryption: "none", reason: "the configuration says mutual TLS by now; this was before" };
  const isOutside = server === undefined && service?.kind === "ServiceEntry" && source === undefined;
  return isOutside
    ? { encryption: "none", reason: "the host is outside of the mesh, and no DestinationRule makes TLS for it" }
    : { encryption: "none", ...whyOf(transport) };
}

function whyOf({ reason, source }: Transport): Pick<EdgeTransport, "reason" | "source"> {
  return { ...(reason === undefined ? {} : { reason }), ...(source === undefined ? {} : { source }) };
}

function callerWithoutProxy({ encryption }: Travelled, { withoutProxy }: EdgeWorld): EdgeTransport {
  const names = withoutProxy.slice(0, 3).join(", ");
  const more = withoutProxy.length > 3 ? ", …" : "";
  const pods = names === "" ? ", or it called by address, past its services" : `; pods without one: ${names}${more}`;
  return { encryption: encryption === "partly" ? "partly" : "none", reason: `the caller has no sidecar${pods}` };
}

/** The way into a gateway: what its servers are declared to take. */
function outsideTransport(gateway: KnownWorkload | undefined, world: EdgeWorld): EdgeTransport {
  const servers = gateway === undefined ? [] : gatewaysOf(world, gateway).flatMap(({ spec }) => spec.servers);
  const isEncrypted = ({ port, tls }: (typeof servers)[number]) => isTls(declaredProtocol(port.protocol)) || tls?.mode !== undefined;
  // A port that only redirects to HTTPS carries nothing on.
  const carrying = servers.filter(({ tls }) => tls?.httpsRedirect !== true);
  const [encrypted, plain] = [carrying.filter(isEncrypted), carrying.filter((server) => !isEncrypted(server))];
  const ports = (list: typeof servers) => [...new Set(list.map(({ port }) => port.number))].toSorted((a, b) => a - b).join(", ");
  if (servers.length === 0) return { encryption: "unknown", reason: "no Gateway is for this workload" };
  if (encrypted.length === 0) return { encryption: "none", reason: `the gateway takes plaintext on port ${ports(plain)}` };
  if (plain.length > 0) {
    return { encryption: "unknown", reason: `the gateway takes TLS on port ${ports(encrypted)} and plaintext on port ${ports(plain)}` };
  }
  return { encryption: "tls", reason: "the gateway ends the clients' TLS" };
}

interface ServerParts {
  readonly server: KnownWorkload | undefined;
  readonly service: MeshService | undefined;
  /** Of the service. */
  readonly port: number;
}

function serverOf(world: EdgeWorld, { server, service, port }: ServerParts) {
  const proxy = server?.proxy;
  if (proxy === undefined || proxy.kind === "gateway") return { mode: undefined, source: undefined };
  const endpoint = service === undefined ? undefined : endpointOf(world, service, server?.name ?? "");
  const targetPort = endpoint?.ports[port] ?? proxy.inbound.find(({ servicePort }) => servicePort.number === port)?.port ?? port;
  const { rootNamespace } = world.mesh.settings;
  const deciding = decidingPeerAuthentication(world.peerAuthentications, proxy, { rootNamespace, port: targetPort });
  const mtls = endpoint?.mtls ?? world.mesh.mtls.phases.get(proxy.id)?.client;
  return {
    mode: mtls === undefined ? undefined : mtlsModeOf(mtls, targetPort),
    source: deciding === undefined ? undefined : resourceName(deciding),
  };
}

/** The subset that a workload stands in; of several the one that has TLS settings of its own. */
function subsetWith(policy: DestinationPolicy | undefined, { labels }: KnownWorkload): string {
  const own = policy?.subsets.filter((subset) => labelsMatch(subset.labels, labels)) ?? [];
  return (own.find(({ trafficPolicy }) => trafficPolicy?.tls !== undefined) ?? own[0])?.name ?? "";
}
