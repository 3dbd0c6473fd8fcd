// Gateways and the VirtualServices bound to them: the Gateway exists, pods serve it, its ports don't clash, the hosts are exposed.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { gatewayHost, hostsOverlap, namespacedName } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Gateway, Server } from "../api/networking/gateway.ts";
import { meshGateway, type VirtualService } from "../api/networking/virtual-service.ts";
import { closest } from "../api/suggest.ts";
import type { FieldPath } from "../lib/field-path.ts";
import { certificateFileField, endsTls } from "../model/gateway-tls.ts";
import { declaredProtocol } from "../model/protocol.ts";
import { type Directory, nameOf } from "./directory.ts";
import { subjectsOf } from "./security/subjects.ts";

/** Gateways that VirtualServices name: in spec.gateways and in matches. */
export function checkGatewayReferences(directory: Directory): readonly Diagnostic[] {
  return directory.virtualServices.flatMap((virtualService) =>
    references(virtualService).flatMap(({ reference, path }) => checkReference(directory, virtualService, { reference, path })),
  );
}

interface Reference {
  readonly reference: string;
  readonly path: FieldPath;
}

function references({ spec }: VirtualService): readonly Reference[] {
  const lists = [
    ["http", spec.http],
    ["tcp", spec.tcp],
    ["tls", spec.tls],
  ] as const;
  const inMatches = lists.flatMap(([name, routes]) =>
    routes.flatMap((route, index) =>
      route.match.flatMap(({ gateways }, place) =>
        gateways.map((reference, item) => ({ reference, path: ["spec", name, index, "match", place, "gateways", item] })),
      ),
    ),
  );
  const own = spec.gateways.map((reference, index) => ({ reference, path: ["spec", "gateways", index] }));
  return [...own, ...inMatches].filter(({ reference }) => reference !== meshGateway);
}

function checkReference(directory: Directory, virtualService: VirtualService, { reference, path }: Reference): readonly Diagnostic[] {
  const resource = nameOf("VirtualService", virtualService.metadata);
  const { namespace, name } = namespacedName(reference, virtualService.metadata.namespace);
  const gateway = directory.snapshot.get("Gateway", namespace, name);
  if (gateway === undefined) {
    const message = `there is no Gateway ${namespace}/${name}`;
    const known = directory.gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    const sameName = known.find((candidate) => candidate.endsWith(`/${name}`)) ?? closest(`${namespace}/${name}`, known);
    const fix = sameName === undefined ? {} : { fix: `Did you mean "${sameName}"?` };
    return [diagnosticOf({ code: "LTN0706", path, message, ...fix }, resource)];
  }
  if (path[1] !== "gateways" || exposes(gateway, virtualService)) return [];
  const message = `no server of Gateway ${namespace}/${name} exposes ${virtualService.spec.hosts.join(", ")} to namespace ${virtualService.metadata.namespace}`;
  return [diagnosticOf({ code: "LTN0711", path, message }, resource)];
}

function exposes(gateway: Gateway, { metadata, spec }: VirtualService): boolean {
  const exposed = gateway.spec.servers
    .flatMap(({ hosts }) => hosts.map((host) => gatewayHost(host, gateway.metadata.namespace)))
    .filter(({ namespace }) => namespace === "*" || namespace === metadata.namespace);
  return spec.hosts.some((host) => exposed.some((pattern) => hostsOverlap(pattern.host, host)));
}

/** Gateways whose selector picks no pod, and none that a Deployment will make. */
export function checkGatewayPods(directory: Directory): readonly Diagnostic[] {
  const bearers = directory.workloads.all;
  return directory.gateways.flatMap(({ metadata, spec }) => {
    if (bearers.some((labels) => labelsMatch(spec.selector, labels))) return [];
    const wanted = Object.entries(spec.selector).map(([key, value]) => `${key}=${value}`);
    const message = `no pod has the labels ${wanted.join(", ") || "of the empty selector"}`;
    return [diagnosticOf({ code: "LTN0707", path: ["spec", "selector"], message }, nameOf("Gateway", metadata))];
  });
}

/** Gateways that share pods and want one port for different kinds of protocol; the older one has it. */
export function checkGatewayPorts(directory: Directory): readonly Diagnostic[] {
  const bearers = directory.workloads.all;
  return directory.gateways.flatMap((gateway, place) =>
    gateway.spec.servers.flatMap((server, index) => {
      const rival = directory.gateways.slice(0, place).find((older) => sharePods(older, gateway, bearers) && clashes(older, server));
      if (rival === undefined) return [];
      const path = ["spec", "servers", index, "port"];
      const older = nameOf("Gateway", rival.metadata);
      const message = `port ${server.port.number} (${server.port.protocol}) is used by ${older} for another protocol, which is older; this server is left out`;
      return [diagnosticOf({ code: "LTN0709", path, message }, nameOf("Gateway", gateway.metadata))];
    }),
  );
}

/** Hosts for which two servers of one port end TLS at the same pods: the server name can't tell them apart. */
export function checkGatewayServerNames(directory: Directory): readonly Diagnostic[] {
  const bearers = directory.workloads.all;
  const servers = directory.gateways.flatMap((gateway) =>
    gateway.spec.servers.flatMap((server, index) =>
      endsTls({ server, protocol: declaredProtocol(server.port.protocol) }) ? [{ gateway, server, index }] : [],
    ),
  );
  return servers.flatMap(({ gateway, server, index }, place) =>
    server.hosts.flatMap((host, item) => {
      const name = sniOf(gateway, host);
      const rival = servers
        .slice(0, place)
        .find(
          (older) =>
            isSamePort(older.server, server) &&
            older.server.hosts.some((other) => sniOf(older.gateway, other) === name) &&
            (older.gateway === gateway || sharePods(older.gateway, gateway, bearers)),
        );
      if (rival === undefined) return [];
      const path = ["spec", "servers", index, "hosts", item];
      const older = `server ${rival.index + 1} of ${rival.gateway === gateway ? "this Gateway" : nameOf("Gateway", rival.gateway.metadata)}`;
      const message = `port ${server.port.number}: TLS for ${name} ends at ${older}, which comes first`;
      return [diagnosticOf({ code: "LTN0716", path, message }, nameOf("Gateway", gateway.metadata))];
    }),
  );
}

/** Servers whose certificate is in files of pods of another namespace: gateways of many don't read files that others name. */
export function checkGatewayFiles({ gateways, snapshot }: Directory): readonly Diagnostic[] {
  return gateways.flatMap(({ metadata, spec }) =>
    spec.servers.flatMap((server, index) => {
      const field = certificateFileField(server);
      const foreign = subjectsOf(snapshot).find(
        ({ proxy, namespace, labels }) =>
          field !== undefined && proxy === "gateway" && namespace !== metadata.namespace && labelsMatch(spec.selector, labels),
      );
      if (field === undefined || foreign === undefined) return [];
      const path = ["spec", "servers", index, ...field];
      const message = `the gateway ${foreign.namespace}/${foreign.name} takes paths of files from Gateways of its own namespace only; this server is left out`;
      const fix = `Put the certificate into a Secret in namespace ${foreign.namespace} and name it in tls.credentialName, or move the Gateway to namespace ${foreign.namespace}.`;
      return [diagnosticOf({ code: "LTN0717", path, message, fix }, nameOf("Gateway", metadata))];
    }),
  );
}

function sniOf({ metadata }: Gateway, host: string): string {
  return gatewayHost(host, metadata.namespace).host.toLowerCase();
}

function isSamePort(a: Server, b: Server): boolean {
  return a.port.number === b.port.number && (a.bind ?? "") === (b.bind ?? "");
}

function sharePods(a: Gateway, b: Gateway, bearers: readonly Readonly<Record<string, string>>[]): boolean {
  return bearers.some((labels) => labelsMatch(a.spec.selector, labels) && labelsMatch(b.spec.selector, labels));
}

function clashes(older: Gateway, server: Server): boolean {
  return older.spec.servers.some(
    (other) => other.port.number === server.port.number && (other.bind ?? "") === (server.bind ?? "") && classOf(other) !== classOf(server),
  );
}

function classOf({ port }: Server): "http" | "tls" | "tcp" {
  const protocol = port.protocol.toUpperCase();
  if (protocol === "HTTPS" || protocol === "TLS") return "tls";
  return ["HTTP", "HTTP2", "GRPC", "GRPC-WEB"].includes(protocol) ? "http" : "tcp";
}
