// Checks of one Gateway beyond its structure: Istio's CEL rules and validation, each with cause and fix.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { gatewayHost } from "../hosts.ts";
import { checkLabels, checkUnique, isDnsLabel } from "../names.ts";
import { checkHostPattern, checkProtocol } from "./common-checks.ts";
import type { Gateway, Server } from "./gateway.ts";
import { checkServerTls } from "./server-tls-checks.ts";

/** All findings of one Gateway. */
export function checkGateway({ spec, metadata }: Gateway): readonly Finding[] {
  const none: readonly Finding[] =
    spec.servers.length === 0
      ? [{ code: "LTN0401", path: ["spec", "servers"], message: "the Gateway has no servers", fix: "Add a server with port and hosts." }]
      : [];
  return [
    ...none,
    ...checkLabels(spec.selector, ["spec", "selector"]),
    ...spec.servers.flatMap((server, index) => checkServer(server, metadata.namespace, ["spec", "servers", index])),
    ...checkUnique(
      spec.servers.map(({ name }, index) => name ?? index),
      (index) => ["spec", "servers", index, "name"],
      { code: "LTN0402", what: "the server name" },
    ),
    ...checkUnique(
      spec.servers.map(({ port }, index) => (port.name === "" ? index : port.name)),
      (index) => ["spec", "servers", index, "port", "name"],
      { code: "LTN0402", what: "the port name" },
    ),
    ...checkSamePort(spec.servers),
  ];
}

function checkServer(server: Server, namespace: string, path: FieldPath): readonly Finding[] {
  const noHosts: readonly Finding[] =
    server.hosts.length === 0
      ? [
          {
            code: "LTN0401",
            path: [...path, "hosts"],
            message: `\`${printPath(path)}\` exposes no hosts`,
            fix: 'Add hosts, for example "*".',
          },
        ]
      : [];
  return [
    ...noHosts,
    ...server.hosts.flatMap((host, index) => checkServerHost(host, namespace, [...path, "hosts", index])),
    ...checkProtocol(server.port.protocol, [...path, "port", "protocol"]),
    ...checkTls(server, path),
  ];
}

function checkServerHost(host: string, namespace: string, path: FieldPath): readonly Finding[] {
  const { namespace: from, host: name } = gatewayHost(host, namespace);
  const findings = checkHostPattern(name, path);
  if (from === "*" || isDnsLabel(from)) return findings;
  const message = `\`${printPath(path)}\`: ${JSON.stringify(from.slice(0, 80))} is not a namespace`;
  return [...findings, { code: "LTN0202", path, message, fix: 'Write "namespace/host", "./host" or "*/host".' }];
}

/** Needs a tls block, takes none, or may have either (a Gateway's L7 and L4 protocols). */
function tlsNeed(protocol: string): "must" | "mayNot" {
  return ["HTTPS", "TLS"].includes(protocol.toUpperCase()) ? "must" : "mayNot";
}

function checkTls({ port, tls }: Server, path: FieldPath): readonly Finding[] {
  const at = [...path, "tls"];
  const need = tlsNeed(port.protocol);
  if (tls === undefined) {
    if (need === "mayNot") return [];
    return [
      {
        code: "LTN0403",
        path,
        message: `\`${printPath(path)}\` is ${port.protocol} and has no tls`,
        fix: "Add tls with a mode and a certificate.",
      },
    ];
  }
  if (need === "mayNot") return checkNoTls(port.protocol, tls, at);
  const redirect: readonly Finding[] =
    tls.httpsRedirect === true
      ? [
          {
            code: "LTN0403",
            path: [...at, "httpsRedirect"],
            message: `\`${printPath(at)}\` redirects to https, but is https already`,
            fix: "Put httpsRedirect on the HTTP server.",
          },
        ]
      : [];
  return [...redirect, ...checkServerTls(tls, at)];
}

type Tls = NonNullable<Server["tls"]>;

function checkNoTls(protocol: string, tls: Tls, path: FieldPath): readonly Finding[] {
  const onlyRedirect = protocol.toUpperCase() === "HTTP" && tls.mode === undefined;
  if (onlyRedirect) return [];
  if (protocol.toUpperCase() === "TCP") return checkServerTls(tls, path);
  return [
    {
      code: "LTN0403",
      path,
      message: `\`${printPath(path)}\` stands on a port of protocol ${protocol}`,
      fix: "Use protocol HTTPS or TLS, or remove tls.",
    },
  ];
}

/** Servers on one port must speak alike: HTTP and its kind together, TLS and HTTPS together, TCP alone. */
function checkSamePort(servers: readonly Server[]): readonly Finding[] {
  return servers.flatMap((server, index) => {
    const first = servers.findIndex(({ port, bind }) => port.number === server.port.number && bind === server.bind);
    const earlier = servers[first];
    if (earlier === undefined || first === index || classOf(earlier) === classOf(server)) return [];
    const path = ["spec", "servers", index, "port"];
    const message = `port ${server.port.number} is ${server.port.protocol} here and ${earlier.port.protocol} in server ${first + 1}`;
    return [{ code: "LTN0405" as const, path, message, fix: "Use another port number, or the same protocol." }];
  });
}

function classOf({ port }: Server): "http" | "tls" | "tcp" {
  const protocol = port.protocol.toUpperCase();
  if (["HTTPS", "TLS"].includes(protocol)) return "tls";
  return ["HTTP", "HTTP2", "GRPC", "GRPC-WEB"].includes(protocol) ? "http" : "tcp";
}
