// Who stands at the ends of a request: proxies and addresses of a mesh → ends with names. Pure.

import { parseOutboundClusterName } from "../../../envoy/names.ts";
import type { TapEnd } from "../../../http/tap-contract.ts";
import { memoObject } from "../../../model/memo.ts";
import type { Mesh, MeshProxy } from "../../../model/mesh.ts";
import type { TapRecord } from "../../../telemetry/tap-record.ts";

/** Both ends as one proxy's record tells them, and the proxies that stand there. */
export interface TapEnds {
  readonly source: TapEnd;
  readonly destination: TapEnd;
  /** Ids; undefined where no proxy of the mesh stands. */
  readonly client: string | undefined;
  readonly server: string | undefined;
}

/** The ends of a record that `sender` wrote. */
export function endsOf(record: TapRecord, sender: MeshProxy, mesh: Mesh): TapEnds {
  const own = endOfProxy(sender);
  if (record.reporter === "destination") {
    const peer = proxyAt(record.client, mesh);
    const source = peer === undefined ? outside(record.client) : endOfProxy(peer);
    const destination = { ...own, ...optional({ address: record.upstream }) };
    return { source: identified(source, record.clientIdentity), destination, client: peer?.id, server: sender.id };
  }
  const peer = proxyAt(record.upstream, mesh);
  const hosts = hostsOf(record.cluster, mesh);
  const destination = peer === undefined ? hostEnd(record, hosts) : withHosts(endOfProxy(peer), hosts);
  const reached = { ...destination, ...optional({ address: record.upstream }) };
  return { source: own, destination: identified(reached, record.serverIdentity), client: sender.id, server: peer?.id };
}

/** A proxy's workload. */
export const endOfProxy = memoObject((proxy: MeshProxy): TapEnd => {
  const { namespace, workload, podName, kind, labels, inbound } = proxy;
  const version = labels["service.istio.io/canonical-revision"] ?? labels["version"];
  return {
    name: `${namespace}/${workload.name}`,
    kind: kind === "gateway" ? "gateway" : "workload",
    namespace,
    workload: workload.name,
    pod: podName,
    ...optional({ version }),
    services: [...new Set(inbound.map(({ service }) => service.hostname))],
  };
});

const proxiesByAddress = memoObject(
  (proxies: Mesh["proxies"]): ReadonlyMap<string, MeshProxy> => new Map([...proxies.values()].map((proxy) => [proxy.address, proxy])),
);

/** The proxy of the pod with this address ("198.18.0.7:8080"). */
function proxyAt(address: string, { proxies }: Mesh): MeshProxy | undefined {
  const host = address.slice(0, Math.max(0, address.lastIndexOf(":")));
  return host === "" ? undefined : proxiesByAddress(proxies).get(host);
}

/** The service's host that an outbound cluster is for; of a split of connections its name says it in front of the namespace. */
function hostsOf(cluster: string, { services }: Mesh): readonly string[] {
  const host = parseOutboundClusterName(cluster)?.host;
  if (host !== undefined) return [host];
  const [kind, , , virtualService] = cluster.split("|");
  if (kind !== "split" || virtualService === undefined) return [];
  return [...services.values()].filter(({ name, namespace }) => `${name}.${namespace}` === virtualService).map(({ hostname }) => hostname);
}

function withHosts(end: TapEnd, hosts: readonly string[]): TapEnd {
  return hosts.length === 0 ? end : { ...end, services: [...new Set([...hosts, ...end.services])] };
}

/** A service of which no workload was reached, or a host outside. */
function hostEnd({ authority, upstream, sni, local }: TapRecord, [host]: readonly string[]): TapEnd {
  const [name, namespace, svc] = host?.split(".") ?? [];
  if (host !== undefined && svc === "svc" && namespace !== undefined) {
    return { name: `${namespace}/${name}`, kind: "service", namespace, services: [host] };
  }
  const asked = authority.replace(/:\d+$/, "") || sni;
  const known = host !== undefined && !host.startsWith("*") ? host : asked || host;
  return {
    name: known || upstream || local || "unknown",
    kind: "outside",
    services: [...new Set([host, asked].filter((each) => each !== undefined && each !== ""))].filter((each) => each !== undefined),
  };
}

function outside(address: string): TapEnd {
  return {
    name: address.slice(0, Math.max(0, address.lastIndexOf(":"))) || "unknown",
    kind: "outside",
    services: [],
    ...optional({ address }),
  };
}

function identified(end: TapEnd, identity: string): TapEnd {
  return identity === "" ? end : { ...end, identity };
}

/** Only what is known. */
function optional(fields: Readonly<Record<string, string | undefined>>): Partial<TapEnd> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""));
}
