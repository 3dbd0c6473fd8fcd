// Every name we give to an Envoy resource, as Istio gives them: users' tools and dashboards read these.
// Source: Istio pkg/config/model/subset_key.go, pilot/pkg/networking/core and pilot/pkg/model/gateway.go.

/** Port of the listener that all captured outbound TCP is redirected to. */
export const outboundCapturePort = 15001;
/** Port of the listener that all captured inbound TCP is redirected to. */
export const inboundCapturePort = 15006;

/** Cluster of connections to hosts the mesh does not know, under ALLOW_ANY. */
export const passthroughClusterName = "PassthroughCluster";
/** Cluster without endpoints: connections to unknown hosts under REGISTRY_ONLY. */
export const blackHoleClusterName = "BlackHoleCluster";
/** Cluster of inbound connections to ports that no service declares. */
export const inboundPassthroughClusterName = "InboundPassthroughCluster";
/** Bootstrap cluster of the control plane. */
export const xdsClusterName = "xds-grpc";

export const virtualOutboundListenerName = "virtualOutbound";
export const virtualInboundListenerName = "virtualInbound";

/** Virtual host for hosts the mesh does not know, under ALLOW_ANY. */
export const allowAnyVirtualHostName = "allow_any";
/** The same under REGISTRY_ONLY. */
export const blockAllVirtualHostName = "block_all";
/** Virtual host for names that another server of a gateway's port has; not Istio's, which answers 404. */
export const misdirectedVirtualHostName = "misdirected";

/** "outbound|80|v1|web.shop.svc.cluster.local"; `subset` is "" for the whole service. */
export function outboundClusterName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** The parts of a name made by `outboundClusterName`, undefined when it is none. */
export function parseOutboundClusterName(
  name: string,
): { readonly port: number; readonly subset: string; readonly host: string } | undefined {
  const [direction, port, subset, host, ...rest] = name.split("|");
  if (direction !== "outbound" || subset === undefined || host === undefined || rest.length > 0) return undefined;
  return { port: Number(port), subset, host };
}

/**
 * The cluster behind one weighted tcp or tls route: "split|<port>|tcp.0|<virtual service>.<namespace>". Istio has no such cluster (it uses
 * tcp_proxy's weighted clusters); ours keeps open connections when weights change, see docs/decisions.
 */
export function splitClusterName(options: {
  readonly port: number;
  /** Place of the route in the VirtualService. */
  readonly route: string;
  readonly name: string;
  readonly namespace: string;
}): string {
  return `split|${options.port}|${options.route}|${options.name}.${options.namespace}`;
}

/** "inbound|8080||": the application's port behind this proxy. */
export function inboundClusterName(port: number): string {
  return `inbound|${port}||`;
}

/** A cluster's name in stats, without dots (they break Envoy's default tag extraction): "outbound|80|v1|web_shop_svc_cluster_local". */
export function clusterStatName(cluster: string): string {
  return cluster.replaceAll(".", "_");
}

/** "0.0.0.0_80" or "198.19.0.7_5432"; IPv6 addresses as they are. */
export function listenerName(address: string, port: number): string {
  return `${address}_${port}`;
}

/** A sidecar's route configuration for all HTTP services of one port: "80". */
export function sidecarRouteName(port: number): string {
  return `${port}`;
}

/** A sidecar's route configuration of one port whose protocol is detected: "web.shop.svc.cluster.local:8080". */
export function detectedRouteName(host: string, port: number): string {
  return `${host}:${port}`;
}

/** The route configuration of one port of the proxy's own application: "inbound|8080||". */
export function inboundRouteName(port: number): string {
  return inboundClusterName(port);
}

/** A gateway's route configuration of a plaintext port: "http.8080". */
export function gatewayHttpRouteName(port: number): string {
  return `http.${port}`;
}

/** A gateway's route configuration of one TLS server: "https.443.web.shop-gateway.shop". */
export function gatewayHttpsRouteName(
  port: number,
  server: { readonly portName: string; readonly gateway: string; readonly namespace: string },
): string {
  return `https.${port}.${server.portName}.${server.gateway}.${server.namespace}`;
}

/** "web.shop.svc.cluster.local:80"; inbound "inbound|http|8080". */
export function virtualHostName(host: string, port: number): string {
  return `${host}:${port}`;
}

/** "inbound|http|8080": the one virtual host of an inbound route configuration. */
export function inboundVirtualHostName(port: number): string {
  return `inbound|http|${port}`;
}

/** SDS name of a proxy's own certificate and key, as in Istio. */
export const workloadSecretName = "default";
/** SDS name of the roots that workloads of the mesh trust, as in Istio. */
export const rootsSecretName = "ROOTCA";

/** SDS name of a certificate and key in a Kubernetes Secret of the proxy's namespace ("credentialName"): "kubernetes://shop-cert". */
export function credentialSecretName(credential: string): string {
  return `kubernetes://${credential}`;
}

/** SDS name of the CA certificates in such a Secret: "kubernetes://shop-cert-cacert". */
export function credentialRootsSecretName(credential: string): string {
  return `${credentialSecretName(credential)}-cacert`;
}

/** SDS name of the CA certificates of the system that the control plane runs on, as in Istio. */
export const systemRootsSecretName = "file-root:system";

/** SDS name of the CA certificates of a host's stand-in: "file-root:stand-in/api.example". */
export function standInRootsSecretName(host: string): string {
  return `${standInRootsPrefix}${host}`;
}

/** The host of such a name; undefined for another. */
export function parseStandInRootsSecretName(name: string): string | undefined {
  return name.startsWith(standInRootsPrefix) ? name.slice(standInRootsPrefix.length) : undefined;
}

const standInRootsPrefix = "file-root:stand-in/";

/** ECDS name of the JWT filter in inbound and gateway chains. */
export const jwtExtensionName = "lateen.jwt";
/** ECDS name of the router where callers are: in outbound and gateway chains. */
export const routerExtensionName = "lateen.router";

/** ALPN that sidecars offer each other for TCP, by which a server's proxy tells them from applications' own TLS (Istio's name). */
export const meshAlpn = "istio";
/** The same for HTTP: also says what is inside, so nothing has to be detected after the handshake (Istio's name). */
export const meshHttpAlpn = "istio-http/1.1";

/** SNI of connections between sidecars: "outbound_.80_.v1_.web.shop.svc.cluster.local". */
export function meshServerName(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** "default" is the name Istio gives a route that no VirtualService made. */
export const defaultRouteName = "default";
