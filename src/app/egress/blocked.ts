// What REGISTRY_ONLY refused, read from the proxies' access logs, and the ServiceEntries that would open it. Pure; for `lateen egress blocked`.

import { blackHoleClusterName, blockAllVirtualHostName, passthroughClusterName } from "../../envoy/names.ts";
import { compare } from "../../model/visibility.ts";
import { parseAccessLogLine } from "./access-log-line.ts";

/** One refused request or connection. */
export interface Refused {
  readonly protocol: "HTTP" | "TLS" | "TCP";
  /** Host header without its port, server name, or the address for TCP. */
  readonly host: string;
  /** Where the connection was going. */
  readonly address: string;
  readonly port: number;
}

/** Reads a line of the access log; "other" is a line of the format that nothing was refused by, undefined no such line. */
export function refusedIn(line: string): Refused | "other" | undefined {
  const target = unnamedIn(line);
  return target === undefined || target === "other" ? target : target.refused ? withoutVerdict(target) : "other";
}

function withoutVerdict({ protocol, host, address, port }: Refused): Refused {
  return { protocol, host, address, port };
}

/** A call to a host that no Service or ServiceEntry names: refused, or passed on as it was (ALLOW_ANY). */
export interface Unnamed extends Refused {
  readonly refused: boolean;
}

/** The same of all calls to hosts that nobody named. */
export function unnamedIn(line: string): Unnamed | "other" | undefined {
  const read = parseAccessLogLine(line);
  if (read === undefined) return undefined;
  const { isRequest, authority, cluster, destination, serverName, route, hasReason } = read;
  const colon = destination.lastIndexOf(":");
  const address = destination.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(destination.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port)) return "other";
  const isHttp = isRequest && authority !== "-";
  if (route === blockAllVirtualHostName) return { protocol: "HTTP", host: hostOf(authority), address, port, refused: true };
  if (cluster === passthroughClusterName && isHttp) return { protocol: "HTTP", host: hostOf(authority), address, port, refused: false };
  if (cluster === passthroughClusterName) return streamTo({ serverName, address, port }, false);
  // Connections that a policy refused lead nowhere too, but say why.
  if (cluster !== blackHoleClusterName || isRequest || hasReason) return "other";
  return streamTo({ serverName, address, port }, true);
}

function streamTo(
  { serverName, address, port }: Pick<Refused, "address" | "port"> & { readonly serverName: string },
  refused: boolean,
): Unnamed {
  return serverName === "-"
    ? { protocol: "TCP", host: address, address, port, refused }
    : { protocol: "TLS", host: serverName.toLowerCase(), address, port, refused };
}

function hostOf(authority: string): string {
  return authority
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
}

export interface RefusedEntry extends Refused {
  readonly namespace: string;
  readonly workload: string;
  /** RFC 3339. */
  readonly time: string;
}

export interface Blocked extends Omit<RefusedEntry, "time"> {
  readonly count: number;
  readonly last: string;
}

/** One row for each workload and target, the newest first. */
export function blockedOf(entries: readonly RefusedEntry[]): readonly Blocked[] {
  const keyOf = ({ namespace, workload, protocol, host, port }: RefusedEntry) =>
    JSON.stringify([namespace, workload, protocol, host, port]);
  return [...Map.groupBy(entries, keyOf)]
    .flatMap(([, [first, ...more]]) => {
      if (first === undefined) return [];
      const { time, ...rest } = first;
      const last = [time, ...more.map((entry) => entry.time)].toSorted(compare).at(-1) ?? time;
      return [{ ...rest, count: more.length + 1, last }];
    })
    .toSorted((a, b) => compare(b.last, a.last) || compare(a.host, b.host));
}

/** ServiceEntries that open what was blocked, one for each namespace and host, for that namespace alone. */
export function openingEntries(blocked: readonly Blocked[]): readonly Readonly<Record<string, unknown>>[] {
  const groups = Map.groupBy(blocked, ({ namespace, host }) => `${namespace}/${host}`);
  return [...groups]
    .toSorted(([a], [b]) => compare(a, b))
    .flatMap(([, [first, ...more]]) => (first === undefined ? [] : [serviceEntry([first, ...more], first)]));
}

function serviceEntry(rows: readonly Blocked[], { namespace, host }: Blocked): Readonly<Record<string, unknown>> {
  const ports = new Map(rows.map(({ protocol, port }) => [port, { number: port, name: `${protocol.toLowerCase()}-${port}`, protocol }]));
  const name = host.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  const isAddress = /^[\d.]+$/.test(host) || host.includes(":");
  const place = isAddress
    ? { hosts: [`${name}.address.external`], addresses: [host], resolution: "STATIC", endpoints: [{ address: host }] }
    : { hosts: [host], resolution: "DNS" };
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name: isAddress ? `address-${name}` : name, namespace },
    spec: { ...place, location: "MESH_EXTERNAL", ports: [...ports.values()].toSorted((a, b) => a.number - b.number), exportTo: ["."] },
  };
}
