// What a service port speaks, from its declaration. Source: Istio pkg/config/kube/conversion.go and pkg/config/protocol.

import type { PortProtocol } from "./mesh.ts";

/** Every declared word we know, in lower case; anything else counts as undeclared. */
const protocolByWord: Readonly<Record<string, PortProtocol>> = {
  http: "http",
  http_proxy: "http",
  ws: "http",
  "kubernetes.io/ws": "http",
  http2: "http2",
  h2c: "http2",
  "kubernetes.io/h2c": "http2",
  grpc: "grpc",
  "grpc-web": "grpc-web",
  https: "https",
  wss: "https",
  "kubernetes.io/wss": "https",
  tls: "tls",
  tcp: "tcp",
  mongo: "tcp",
  mysql: "tcp",
  redis: "tcp",
  udp: "udp",
};

/** Ports whose servers speak first or that are never HTTP: SMTP, DNS, MySQL, MongoDB. Waiting for the client's bytes there would hang. */
const knownTcpPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

export interface DeclaredPort {
  readonly number: number;
  /** "http-web": the part before the first "-" counts. */
  readonly name: string;
  readonly appProtocol?: string | undefined;
  /** TCP when unset. */
  readonly transport?: string | undefined;
}

/** The protocol of a Kubernetes service port: appProtocol, else the name's prefix, else well-known ports, else detection. */
export function servicePortProtocol(port: DeclaredPort): PortProtocol {
  if (port.transport === "UDP" || port.transport === "SCTP") return "udp";
  if (port.appProtocol !== undefined) {
    const declared = protocolOfWord(port.appProtocol);
    if (declared !== undefined) return declared;
  }
  const name = port.name.toLowerCase();
  const prefix = name.startsWith("grpc-web") ? "grpc-web" : (name.split("-")[0] ?? "");
  return protocolOfWord(prefix) ?? (knownTcpPorts.has(port.number) ? "tcp" : "detect");
}

/** The protocol of a port that must say it (ServiceEntry, Gateway); TCP when unset or unknown. */
export function declaredProtocol(word: string | undefined): PortProtocol {
  return protocolOfWord(word ?? "tcp") ?? "tcp";
}

function protocolOfWord(word: string): PortProtocol | undefined {
  const key = word.toLowerCase();
  return Object.hasOwn(protocolByWord, key) ? protocolByWord[key] : undefined;
}

/** Whether requests on this port are routed as HTTP without looking at the bytes. */
export function isHttp(protocol: PortProtocol): boolean {
  return protocol === "http" || protocol === "http2" || protocol === "grpc" || protocol === "grpc-web";
}

/** Whether upstreams of this port are spoken to in HTTP/2. */
export function isHttp2(protocol: PortProtocol): boolean {
  return protocol === "http2" || protocol === "grpc";
}

/** Whether connections on this port are told apart by SNI. */
export function isTls(protocol: PortProtocol): boolean {
  return protocol === "https" || protocol === "tls";
}
