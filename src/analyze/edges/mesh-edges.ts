// Counted edges and the mesh → the live graph: with the reason where something isn't encrypted, and what is configured and carries nothing. Pure but for
// the memory of one mesh, so that only numbers are new every second.

import { compareEdges, endNames, type TrafficEdge } from "../../telemetry/graph/traffic-edge.ts";
import { unknownValue } from "../../telemetry/standard-metrics.ts";
import { type ConfiguredTarget, configuredTargets } from "./configured-edges.ts";
import { type EdgeTransport, edgeTransport, expectedTransport } from "./edge-transport.ts";
import { type EdgeInputs, type EdgeWorld, edgeWorldOf } from "./edge-world.ts";
import type { EdgeEnd, GraphNode, MeshEdge } from "./mesh-edge.ts";

/** Who calls where a route leads and nobody was seen to come. */
export const nobodyYet = "(no caller yet)";

export class MeshEdges {
  readonly world: EdgeWorld;
  readonly #transports = new Map<string, EdgeTransport>();
  readonly #targets: readonly ConfiguredTarget[];

  constructor(inputs: EdgeInputs) {
    this.world = edgeWorldOf(inputs);
    this.#targets = configuredTargets(this.world);
  }

  /** All edges, sorted. */
  edges(counted: readonly TrafficEdge[]): readonly MeshEdge[] {
    const known = counted.map((edge): MeshEdge => ({ ...edge, ...this.#transportOf(edge) }));
    return this.#withConfigured(known).toSorted(compareEdges);
  }

  /** Every workload, and every end of an edge; sorted by name. */
  nodes(edges: readonly MeshEdge[]): readonly GraphNode[] {
    const names = new Map<string, EdgeEnd["kind"]>();
    for (const { from, to } of edges) for (const { name, kind } of [from, to]) names.set(name, kind);
    for (const [name, { proxy }] of this.world.workloads) names.set(name, proxy?.kind === "gateway" ? "gateway" : "workload");
    return [...names].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, kind]) => this.#nodeOf(name, kind));
  }

  #nodeOf(name: string, kind: EdgeEnd["kind"]): GraphNode {
    const workload = this.world.workloads.get(name);
    // Of pods that are gone only their edges tell.
    if (workload === undefined)
      return { name, kind, ...(kind === "workload" || kind === "gateway" ? { namespace: name.split("/")[0] ?? "" } : {}) };
    const { namespace, labels, proxy, services } = workload;
    const { app, version } = labels;
    return {
      name,
      kind,
      namespace,
      ...(app === undefined ? {} : { app }),
      ...(version === undefined ? {} : { version }),
      services,
      sidecar: proxy !== undefined,
    };
  }

  #transportOf(edge: TrafficEdge): EdgeTransport {
    const key = [edge.from.name, edge.to.name, edge.service, edge.port, edge.encryption].join("\n");
    const known = this.#transports.get(key) ?? edgeTransport(edge, this.world);
    this.#transports.set(key, known);
    return known;
  }

  /** Edges without traffic that routes name, with those routes; and ways that nobody ever came. */
  #withConfigured(edges: readonly MeshEdge[]): readonly MeshEdge[] {
    const places = new Map<string, { readonly live: boolean }>();
    for (const edge of edges) {
      const key = placeOf(edge);
      places.set(key, { live: edge.state === "live" || places.get(key)?.live === true });
    }
    const callersByHost = new Map<string, Set<string>>();
    for (const { from, service } of edges) {
      // Gateways follow only the routes that name them.
      if (this.world.workloads.has(from.name) && !this.world.gatewayNames.has(from.name))
        callersByHost.set(service, (callersByHost.get(service) ?? new Set()).add(from.name));
    }
    const routesOf = new Map<string, string[]>();
    const missing = new Map<string, Way>();
    for (const way of this.#targets.flatMap((target) => waysOf(target, callersByHost))) {
      const key = placeKey(way.from, way.to, way.target.mirrored ? copies : way.target.host);
      if (places.get(key)?.live === true) continue;
      routesOf.set(key, [...(routesOf.get(key) ?? []), way.target.route]);
      if (!places.has(key)) missing.set(key, missing.get(key) ?? way);
    }
    const told = edges.map((edge) => {
      const configuredBy = routesOf.get(placeOf(edge));
      return configuredBy === undefined || edge.state === "live" ? edge : { ...edge, configuredBy };
    });
    return [...told, ...[...missing].map(([key, way]) => this.#configured(way, routesOf.get(key) ?? []))];
  }

  #configured({ from, to, target }: Way, configuredBy: readonly string[]): MeshEdge {
    const { host, port, protocol, mirrored } = target;
    const server = this.world.workloads.get(to);
    const caller = this.world.workloads.get(from)?.proxy;
    const ends = {
      from: { name: from, kind: caller === undefined ? "unknown" : caller.kind === "gateway" ? "gateway" : "workload" },
      to: { name: to, kind: server === undefined ? (this.world.internalHosts.has(host) ? "unknown" : "external") : "workload" },
    } as const;
    const expected =
      caller === undefined ? undefined : expectedTransport({ to: ends.to, service: host, port }, caller, this.world).transport;
    const encryption = expected === undefined ? "unknown" : expected.kind === "plaintext" ? "none" : expected.kind;
    return {
      ...ends,
      version: server?.labels["version"] ?? unknownValue,
      service: host,
      port,
      protocol,
      encryption,
      ...(expected === undefined ? { reason: "nobody has called it yet" } : {}),
      ...(expected?.reason === undefined ? {} : { reason: expected.reason }),
      ...(expected?.source === undefined ? {} : { source: expected.source }),
      mirrored,
      reporter: "source",
      requests: 0,
      requestsPerSecond: 0,
      failed: 0,
      failedShare: undefined,
      latency: undefined,
      connections: 0,
      open: undefined,
      bytesReceivedPerSecond: 0,
      bytesSentPerSecond: 0,
      state: "configured",
      configuredBy,
      seconds: 0,
      missing: 0,
    };
  }
}

interface Way {
  readonly from: string;
  readonly to: string;
  readonly target: ConfiguredTarget;
}

/** Who would come where a destination leads: the gateways of its routes, and workloads that call its hosts. */
function waysOf(target: ConfiguredTarget, callersByHost: ReadonlyMap<string, ReadonlySet<string>>): readonly Way[] {
  const calling = [...target.called].flatMap((host) => [...(callersByHost.get(host) ?? [])]);
  const callers = new Set([...target.gateways, ...(target.mesh ? calling : [])]);
  const from = callers.size === 0 ? [nobodyYet] : [...callers];
  const to = target.workloads.length === 0 ? [target.host] : target.workloads;
  return from.flatMap((caller) => to.map((server) => ({ from: caller, to: server, target })));
}

/** Stands for the host of copies: only servers count them, who don't know by which of their names they were called. */
const copies = "(copies)";

function placeOf({ from, to, mirrored, service }: MeshEdge): string {
  return placeKey(from.name, to.name, mirrored ? copies : service);
}

function placeKey(from: string, to: string, host: string): string {
  return `${from}\n${to}\n${host}`;
}

/** Ends that stand for hosts which no Service or ServiceEntry names. */
export const unnamedHosts: ReadonlySet<string> = new Set([endNames.unknownHosts, endNames.blockedHosts]);
