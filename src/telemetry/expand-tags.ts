// A proxy's few composite tags → Istio's labels, with "unknown" where Istio says so. Pure; the certificate's name is read by the caller's function, since
// what it looks like is the CA's matter.

import { type CompositeTags, splitParts } from "./composite-tags.ts";
import { type StandardMetric, type TrafficLabels, unknownValue } from "./standard-metrics.ts";

/** What a client certificate says about its workload, and what the mesh knows beside it. */
export interface PeerName {
  readonly workload: string;
  readonly namespace: string;
  /** Canonical revision: "latest" without a version label. */
  readonly version: string;
  /** Canonical name; the certificate doesn't hold it. */
  readonly canonicalName?: string;
  readonly cluster?: string;
}

/** The sender's own side of a connection: proxies of a class share their listeners, so it isn't in what they send. */
export interface OwnSide {
  /** As the tag `source` or `destination` has it (`joinParts`): workload;namespace;canonical name;canonical revision;cluster;app;version. */
  readonly workload: string;
  /** Its SPIFFE ID. */
  readonly principal: string;
}

export interface PeerOptions {
  /** Reads the tag `source` at a server: the certificate's DNS SANs as Envoy prints them. Undefined for certificates of others. */
  readonly peerOf: (dnsSans: string) => PeerName | undefined;
}

export interface ExpandOptions extends PeerOptions {
  /** Of the proxy that sent the tags, by its connection; unset, the tags say it themselves. */
  readonly own?: OwnSide | undefined;
}

/** The labels of one series. What a stranger sent can make values "unknown", never another label's. */
export function expandTags({ traffic }: StandardMetric, tags: CompositeTags, { peerOf, own }: ExpandOptions): TrafficLabels {
  const [reporter, protocol, mirrored] = splitParts(tags.traffic ?? "", 3);
  const [policy, ownPrincipal, peerPrincipal] = splitParts(tags.security ?? "", 3);
  const isServer = reporter === "destination";
  const principals = principalsOf({ isServer, own: own?.principal ?? ownPrincipal, peer: peerPrincipal });
  const source = isServer ? peerParts(tags.source, peerOf, principals.source) : workloadParts(own?.workload ?? tags.source);
  const destination = workloadParts(isServer ? (own?.workload ?? tags.destination) : tags.destination);
  const [host, name, namespace, port] = splitParts(tags.service ?? "", 4);
  return {
    reporter: known(reporter),
    source_workload: source.workload,
    source_canonical_service: source.canonicalName,
    source_canonical_revision: source.revision,
    source_workload_namespace: source.namespace,
    source_principal: principals.source,
    source_app: source.app,
    source_version: source.version,
    source_cluster: source.cluster,
    destination_workload: destination.workload,
    destination_workload_namespace: destination.namespace,
    destination_principal: principals.destination,
    destination_app: destination.app,
    destination_version: destination.version,
    destination_service: known(host),
    destination_canonical_service: destination.canonicalName,
    destination_canonical_revision: destination.revision,
    destination_service_name: known(name),
    destination_service_namespace: known(namespace),
    destination_cluster: destination.cluster,
    request_protocol: known(protocolOf(traffic, protocol, tags.response)),
    ...responseLabels(traffic, tags.response),
    // A client can't know what its server demanded; Istio says the same.
    connection_security_policy: isServer ? known(policy) : unknownValue,
    destination_port: /^\d{1,5}$/.test(port ?? "") ? (port ?? "") : "",
    mirrored: mirrored === "1" ? "true" : "",
  };
}

/** Envoy prints a status for every gRPC request that was answered, and none for gRPC-Web, whose content type begins alike. */
function protocolOf(traffic: StandardMetric["traffic"], protocol: string | undefined, response = ""): string | undefined {
  const [code, , status] = splitParts(response, 3);
  if (traffic === "tcp" || (protocol !== "http" && protocol !== "grpc")) return protocol;
  if (isSet(status)) return "grpc";
  return isSet(code) && code !== "0" ? "http" : protocol;
}

function responseLabels(traffic: StandardMetric["traffic"], response = "") {
  const [code = "", flags = "", status = ""] = splitParts(response, 3);
  const isTcp = traffic === "tcp";
  return {
    // Istio and Envoy say 0 when no response was sent.
    response_code: isTcp ? "" : isSet(code) ? code : "0",
    grpc_response_status: isTcp || !isSet(status) ? "" : status,
    response_flags: isSet(flags) ? flags : "-",
  };
}

interface Parts {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly revision: string;
  readonly cluster: string;
  readonly app: string;
  readonly version: string;
}

/** Istio's word for the canonical revision of pods without a version label, whose version it doesn't know. */
const unversioned = "latest";

function workloadParts(value = ""): Parts {
  const [workload, namespace, canonicalName, revision, cluster, app, version] = splitParts(value, 7);
  return {
    workload: known(workload),
    namespace: known(namespace),
    canonicalName: known(canonicalName),
    revision: known(revision),
    cluster: known(cluster),
    app: known(isSet(app) ? app : canonicalName),
    version: known(isSet(version) ? version : versionOf(revision)),
  };
}

function versionOf(revision: string | undefined): string | undefined {
  return revision === unversioned ? undefined : revision;
}

function peerParts(dnsSans: string | undefined, peerOf: ExpandOptions["peerOf"], principal: string): Parts {
  // Without a verified certificate there is no name, whatever the tag says.
  const peer = principal === unknownValue || !isSet(dnsSans) ? undefined : peerOf(dnsSans);
  if (peer === undefined) return { ...workloadParts(), namespace: known(namespaceIn(principal)) };
  return {
    workload: known(peer.workload),
    namespace: known(peer.namespace),
    canonicalName: known(peer.canonicalName),
    revision: known(peer.version),
    cluster: known(peer.cluster),
    app: known(peer.canonicalName),
    version: known(versionOf(peer.version)),
  };
}

/** spiffe://<trust domain>/ns/<namespace>/sa/<service account>; Istio reads the namespace of a peer without metadata the same way. */
function namespaceIn(principal: string): string | undefined {
  return /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/.exec(principal)?.[1];
}

interface Shown {
  readonly isServer: boolean;
  readonly own: string | undefined;
  readonly peer: string | undefined;
}

/** Without the peer's there was no mutual TLS, and the own certificate wasn't shown. */
function principalsOf({ isServer, own, peer }: Shown) {
  if (!isSet(peer)) return { source: unknownValue, destination: unknownValue };
  return isServer ? { source: peer, destination: known(own) } : { source: known(own), destination: peer };
}

/** Envoy prints "-" or nothing for what isn't there. */
function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "" && value !== "-";
}

function known(value: string | undefined): string {
  return isSet(value) ? value : unknownValue;
}
