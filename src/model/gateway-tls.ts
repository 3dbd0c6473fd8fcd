// Gateway servers that end TLS: whose server names each one has, and where its certificates and the CAs of its clients come from.
// A server whose credential isn't there yet is left out, because Envoy would hold back the whole port until it comes.

import { gatewayHost, mostSpecificMatch } from "../api/hosts.ts";
import type { Gateway, Server, ServerTlsSettings } from "../api/networking/gateway.ts";
import type { FieldPath } from "../lib/field-path.ts";
import type { PortProtocol } from "./mesh.ts";
import { declaredProtocol, isHttp, isTls } from "./protocol.ts";

/** One server of a Gateway as one proxy listens for it. */
export interface GatewayServer {
  readonly gateway: Gateway;
  readonly server: Server;
  /** "<namespace>/<name>". */
  readonly gatewayName: string;
  readonly protocol: PortProtocol;
  /** Port the proxy listens on: the target port of its Service, else the server's own number. */
  readonly bindPort: number;
}

/** What a Secret is good for. */
export interface CredentialParts {
  /** It has a certificate with its key. */
  readonly certificate: boolean;
  /** It, or the Secret "<name>-cacert", has CA certificates. */
  readonly roots: boolean;
}

/** Secrets that may be named now, by "<namespace>/<name>"; the same object as long as nothing in it changed. */
export type UsableCredentials = ReadonlyMap<string, CredentialParts>;

/** No Secret is there. */
export const noCredentials: UsableCredentials = new Map();

export type CertificateSource =
  | { readonly kind: "secret"; readonly credential: string }
  /** Paths as the gateway's own container sees them. */
  | { readonly kind: "files"; readonly chain: string; readonly key: string }
  /** The gateway's identity in the mesh. */
  | { readonly kind: "workload" };

export type RootsSource =
  | { readonly kind: "secret"; readonly credential: string }
  | { readonly kind: "files"; readonly path: string; readonly crl?: string }
  | { readonly kind: "workload" };

/** How one server ends TLS. */
export interface GatewayTls {
  readonly settings: ServerTlsSettings;
  /** What it asks of clients. */
  readonly client: "nothing" | "certificate-if-any" | "certificate";
  /** At least one; several are of different key types. */
  readonly certificates: readonly CertificateSource[];
  /** The CAs of clients; undefined only when nothing is asked of clients, or nothing is checked. */
  readonly roots?: RootsSource;
}

/** A server that ends TLS and has what it needs for that. */
export interface TlsServer extends GatewayServer {
  readonly tls: GatewayTls;
  /** Sorted; empty for any name, and for clients that say none. */
  readonly serverNames: readonly string[];
}

/** Whether connections to this server are TLS that ends here. */
export function endsTls({ protocol, server }: Pick<GatewayServer, "protocol" | "server">): boolean {
  if (isHttp(protocol) || server.tls === undefined) return false;
  return !["PASSTHROUGH", "AUTO_PASSTHROUGH"].includes(server.tls.mode ?? "PASSTHROUGH");
}

/** One use of a Secret by a server. */
export interface CredentialUse {
  readonly name: string;
  readonly part: keyof CredentialParts;
  /** Of the field, from the server on. */
  readonly path: FieldPath;
}

/** The Secrets that a server needs, in the order of their use; none for one that does not end TLS. */
export function credentialUses(server: Server): readonly CredentialUse[] {
  const { tls } = server;
  if (tls === undefined || !endsTls({ protocol: declaredProtocol(server.port.protocol), server }) || tls.mode === "ISTIO_MUTUAL") return [];
  const certificates: readonly CredentialUse[] =
    tls.credentialNames.length > 0
      ? tls.credentialNames.map((name, index) => ({ name, part: "certificate", path: ["tls", "credentialNames", index] }))
      : isGiven(tls.credentialName)
        ? [{ name: tls.credentialName, part: "certificate", path: ["tls", "credentialName"] }]
        : [];
  if (clientOf(tls) === "nothing" || tls.insecureSkipVerify === true) return certificates;
  if (isGiven(tls.caCertCredentialName)) {
    return [...certificates, { name: tls.caCertCredentialName, part: "roots", path: ["tls", "caCertCredentialName"] }];
  }
  const [first] = certificates;
  return first === undefined ? [] : [...certificates, { ...first, part: "roots" }];
}

/** The field by which a server's certificate comes from files; undefined when it doesn't. */
export function certificateFileField(server: Server): FieldPath | undefined {
  const { tls } = server;
  if (tls === undefined || !endsTls({ protocol: declaredProtocol(server.port.protocol), server })) return undefined;
  if (tls.mode === "ISTIO_MUTUAL" || hasCredential(tls) || certificateFiles(tls).length === 0) return undefined;
  return ["tls", tls.tlsCertificates.length > 0 ? "tlsCertificates" : "serverCertificate"];
}

function isGiven(name: string | undefined): name is string {
  return name !== undefined && name !== "";
}

export interface TlsContext {
  /**
   * Of the gateway's pod: Secrets of other namespaces are none of its business, and Gateways of other namespaces don't name its files. Envoy
   * refuses a whole port over a file that isn't there.
   */
  readonly namespace: string;
  readonly credentials: UsableCredentials;
}

/**
 * The servers that end TLS, in the given order. Of two that want one server name on one port the first has it. One without credential
 * keeps its names nevertheless: what was meant for it must not be answered by a server that asks less of its clients.
 */
export function tlsServers(servers: readonly GatewayServer[], context: TlsContext): readonly TlsServer[] {
  const claims = new Map<string, Set<string>>();
  return servers.filter(endsTls).flatMap((server) => {
    const place = placeOf(server);
    const claimed = claims.get(place) ?? new Set<string>();
    claims.set(place, claimed);
    const free = serverHosts(server).filter((host) => !claimed.has(host));
    for (const host of free) claimed.add(host);
    const tls = server.server.tls && gatewayTls(server.server.tls, server, context);
    if (free.length === 0 || tls === undefined) return [];
    return [{ ...server, tls, serverNames: free.includes("*") ? [] : [...free].sort() }];
  });
}

/** Servers of one place share a listener. */
export function placeOf({ server, bindPort }: Pick<GatewayServer, "server" | "bindPort">): string {
  return `${server.bind ?? ""}|${bindPort}`;
}

/** The hosts a server is for, without the namespaces that may bind to it, in lower case. */
export function serverHosts({ server, gateway }: Pick<GatewayServer, "server" | "gateway">): readonly string[] {
  return [...new Set(server.hosts.map((host) => gatewayHost(host, gateway.metadata.namespace).host.toLowerCase()))];
}

function gatewayTls(settings: ServerTlsSettings, { server, gateway }: GatewayServer, context: TlsContext): GatewayTls | undefined {
  const client = clientOf(settings);
  if (settings.mode === "ISTIO_MUTUAL") return { settings, client, certificates: [{ kind: "workload" }], roots: { kind: "workload" } };
  if (certificateFileField(server) !== undefined && gateway.metadata.namespace !== context.namespace) return undefined;
  const uses = credentialUses(server).filter((use) => isUsable(use, context));
  const inSecrets = uses.filter(({ part }) => part === "certificate").map(({ name }) => ({ kind: "secret", credential: name }) as const);
  const certificates = hasCredential(settings) ? inSecrets : certificateFiles(settings);
  if (certificates.length === 0) return undefined;
  if (client === "nothing" || settings.insecureSkipVerify === true) return { settings, client, certificates };
  const inSecret = uses.find(({ part }) => part === "roots");
  const needsSecret = hasCredential(settings) || isGiven(settings.caCertCredentialName);
  const roots = inSecret === undefined ? undefined : ({ kind: "secret", credential: inSecret.name } as const);
  const source = needsSecret ? roots : rootsFiles(settings);
  return source && { settings, client, certificates, roots: source };
}

function clientOf({ mode }: ServerTlsSettings): GatewayTls["client"] {
  if (mode === "OPTIONAL_MUTUAL") return "certificate-if-any";
  return mode === "MUTUAL" || mode === "ISTIO_MUTUAL" ? "certificate" : "nothing";
}

function isUsable({ name, part }: CredentialUse, { namespace, credentials }: TlsContext): boolean {
  return credentials.get(`${namespace}/${name}`)?.[part] ?? false;
}

function hasCredential({ credentialName, credentialNames }: ServerTlsSettings): boolean {
  return credentialNames.length > 0 || isGiven(credentialName);
}

function certificateFiles({ serverCertificate, privateKey, tlsCertificates }: ServerTlsSettings): readonly CertificateSource[] {
  const pairs = tlsCertificates.length > 0 ? tlsCertificates : [{ serverCertificate, privateKey }];
  return pairs.flatMap((pair) =>
    isGiven(pair.serverCertificate) && isGiven(pair.privateKey)
      ? [{ kind: "files" as const, chain: pair.serverCertificate, key: pair.privateKey }]
      : [],
  );
}

function rootsFiles({ caCertificates, caCrl, tlsCertificates }: ServerTlsSettings): RootsSource | undefined {
  const path = caCertificates ?? tlsCertificates.map((pair) => pair.caCertificates).find(isGiven);
  if (!isGiven(path)) return undefined;
  return { kind: "files", path, ...(isGiven(caCrl) ? { crl: caCrl } : {}) };
}

/** A server as its neighbours on the port see it: whose names it has, and whether it asks clients who they are. */
interface Neighbour {
  readonly hosts: readonly string[];
  readonly asksClients: boolean;
}

export interface Misdirected {
  /** Domains that another server of the port has: requests for them get 421. Sorted. */
  readonly domains: readonly string[];
  /** Whether a host that this server's routes could answer belongs to another server all the same. */
  readonly isForeign: (host: string) => boolean;
}

/**
 * Browsers use one HTTP/2 connection for all hosts of its certificate, also for those of another server (istio/istio#13589): they are told to
 * open another one. A host that only a server with stricter demands on its clients should answer is never answered here.
 */
export function misdirectedAt(self: TlsServer, all: readonly GatewayServer[], ownHosts: readonly string[]): Misdirected {
  const here = all.filter((other) => isTls(other.protocol) || endsTls(other)).filter((other) => placeOf(other) === placeOf(self));
  const others = here.filter((other) => other.server !== self.server).map(neighbour);
  const own = { ...neighbour(self), hosts: self.serverNames.length === 0 ? serverHosts(self) : self.serverNames };
  const stricter = own.asksClients ? [] : others.filter(({ asksClients }) => asksClients).flatMap(({ hosts }) => hosts);
  const patterns = [...own.hosts, ...others.flatMap(({ hosts }) => hosts)];
  const isForeign = (host: string) => {
    const owner = mostSpecificMatch(patterns, host);
    return owner !== undefined && stricter.includes(owner) && !own.hosts.includes(owner);
  };
  const answered = ownHosts.filter((host) => !isForeign(host));
  const domains = others
    .flatMap(({ hosts }) => hosts)
    .filter((host) => !own.hosts.includes(host))
    .filter((host) => stricter.includes(host) || mostSpecificMatch(answered, host) === undefined);
  return { domains: [...new Set(domains)].sort(), isForeign };
}

/** A server that passes TLS on has routes for some names only, so its "*" says nothing. */
function neighbour(server: GatewayServer): Neighbour {
  const hosts = serverHosts(server);
  if (!endsTls(server)) return { hosts: hosts.filter((host) => host !== "*"), asksClients: false };
  const { tls } = server.server;
  return { hosts, asksClients: tls !== undefined && clientOf(tls) !== "nothing" && tls.insecureSkipVerify !== true };
}
