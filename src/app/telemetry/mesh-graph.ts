// The live graph: samples of the window and the newest mesh → GET /lateen/v1/edges. An answer is made at most twice a second for a window, whoever asks.

import type { GraphNode, MeshEdge } from "../../analyze/edges/mesh-edge.ts";
import { MeshEdges, unnamedHosts } from "../../analyze/edges/mesh-edges.ts";
import { hostMatches } from "../../api/hosts.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { EdgeList, EdgesQuery, UnknownHost } from "../../http/edges-contract.ts";
import { Unavailable } from "../../lib/errors.ts";
import type { Mesh } from "../../model/mesh.ts";
import { proxyKindOf } from "../../model/proxies.ts";
import type { Store } from "../../store/store.ts";
import { endNames } from "../../telemetry/graph/traffic-edge.ts";
import { EdgeTable } from "../../telemetry/graph/traffic-edges.ts";
import { parseParty } from "../../telemetry/party.ts";
import type { Labels } from "../../telemetry/point.ts";
import { type Hop, hopsOf } from "../../telemetry/samples/hops.ts";
import type { SampleStore } from "../../telemetry/samples/sample-store.ts";
import { newestOf } from "../../telemetry/samples/window.ts";
import { externalNamespace } from "../external-hosts.ts";
import { knownEndsOf, nobodyCalled, requireNamespace } from "./known-ends.ts";
import { namingEntries, unknownHostsOf } from "./unknown-hosts.ts";

/** The part of MeshTelemetry that is read. */
export interface Counted {
  readonly collector: { readonly store: SampleStore };
  /** TCP connections that are open now, with Istio's labels. */
  openConnections(): Iterable<{ readonly labels: Labels }>;
  /** By the collector's clock. */
  nowMs(): number;
}

export interface MeshGraphOptions {
  readonly mesh: () => Mesh | undefined;
  readonly store: Pick<Store, "snapshot">;
  readonly telemetry: Counted;
  /** Folder of the containers' logs. */
  readonly logsDir: string;
}

/** How long an answer is used again. */
const keptMs = 500;
const maxKept = 16;
/** A window ends with the newest report, unless that is older: then what is missing shows as a gap. */
const lateSeconds = 3;

interface Answer extends Omit<EdgeList, "unknownHosts" | "serviceEntries"> {
  readonly madeMs: number;
  readonly joined: MeshEdges;
}

export class MeshGraph {
  readonly #options: MeshGraphOptions;
  readonly #table: EdgeTable;
  readonly #answers = new Map<number, Answer>();
  readonly #hosts = new Map<number, { readonly madeMs: number; readonly hosts: readonly UnknownHost[] }>();
  #joined: { readonly mesh: Mesh; readonly edges: MeshEdges } | undefined;

  constructor(options: MeshGraphOptions) {
    this.#options = options;
    this.#table = new EdgeTable(options.telemetry.collector.store);
  }

  /** For whoever watches the callers of single services; without edges before the first mesh is made. */
  readonly callers = {
    edges: (windowMs: number): readonly MeshEdge[] => (this.#options.mesh() === undefined ? [] : this.#answer(windowMs).edges),
    hops: (windowMs: number): readonly Hop[] => {
      const { telemetry } = this.#options;
      const nowMs = telemetry.nowMs();
      return hopsOf(telemetry.collector.store, { fromMs: nowMs - windowMs, toMs: nowMs });
    },
    podsWithoutProxy: (): readonly string[] => podsWithoutProxy(this.#options.store.snapshot()),
    nowMs: (): number => this.#options.telemetry.nowMs(),
  };

  /** Answers at once. @throws Unavailable before the first mesh is made, NotFound for a namespace or name that isn't there. */
  edges({ windowMs, namespace, service }: EdgesQuery): EdgeList {
    const answer = this.#answer(windowMs);
    const { madeMs: _, joined, ...list } = answer;
    const hosts = this.#unknownHosts(answer);
    const isAll = namespace === undefined && service === undefined;
    const isWanted = (hostNamespace: string, workload: string) =>
      (namespace === undefined || hostNamespace === namespace) &&
      (service === undefined || isNamed(service, [`${hostNamespace}/${workload}`], joined));
    const unknownHosts = isAll ? hosts : hosts.filter((host) => isWanted(host.namespace, host.workload));
    const shown = isAll ? list : { ...list, ...selected(list, { namespace, service, joined }) };
    if (shown.edges.length === 0) this.#requireKnown({ namespace, service, joined });
    return { ...shown, unknownHosts, serviceEntries: namingEntries(unknownHosts) };
  }

  #requireKnown({ namespace, service, joined }: Wanted): void {
    const { world } = joined;
    const known = knownEndsOf(this.#options.store.snapshot(), world.mesh);
    requireNamespace(known, namespace);
    if (service === undefined || edgeEnds.has(service)) return;
    const names = known.ends.map((end) => end.labels["destination_service"] ?? `${end.namespace}/${end.name}`);
    if (isNamed(service, names, joined) || (service.includes(".") && names.some((host) => hostMatches(host, service)))) return;
    const { name, namespace: place } = parseParty(service, undefined);
    throw nobodyCalled({ what: "workload or service", text: service, name, namespace: place, ends: known.ends });
  }

  #answer(windowMs: number): Answer {
    const nowMs = this.#options.telemetry.nowMs();
    const known = this.#answers.get(windowMs);
    const joined = this.#join();
    if (known !== undefined && nowMs - known.madeMs < keptMs && known.joined === joined) return known;
    const answer = this.#make({ windowMs, nowMs, joined });
    keep(this.#answers, windowMs, answer);
    return answer;
  }

  #join(): MeshEdges {
    const { mesh: meshNow, store } = this.#options;
    const mesh = meshNow();
    if (mesh === undefined) throw new Unavailable("the mesh isn't made yet");
    if (this.#joined?.mesh === mesh) return this.#joined.edges;
    const snapshot = store.snapshot();
    const edges = new MeshEdges({
      mesh,
      peerAuthentications: snapshot.list("PeerAuthentication"),
      virtualServices: snapshot.list("VirtualService"),
      gateways: snapshot.list("Gateway"),
      withoutProxy: podsWithoutProxy(snapshot),
    });
    this.#joined = { mesh, edges };
    return edges;
  }

  #make({ windowMs, nowMs, joined }: { readonly windowMs: number; readonly nowMs: number; readonly joined: MeshEdges }): Answer {
    const { telemetry } = this.#options;
    const samples = telemetry.collector.store;
    const newestEnd = newestOf(samples) + 1;
    const now = Math.floor(nowMs / 1000);
    const end = newestEnd >= now - lateSeconds ? Math.min(newestEnd, now + 1) : now - 1;
    const { world } = joined;
    const names = { gateways: world.gatewayNames, services: world.internalHosts };
    const fromMs = end * 1000 - windowMs;
    const edges = joined.edges(this.#table.edges({ fromMs, toMs: end * 1000, open: telemetry.openConnections(), ...names }));
    const reporting = new Set([...samples.sources()].filter(({ coverage }) => (coverage.last + 1) * 1000 > fromMs).map(({ id }) => id));
    return {
      version: 1,
      windowMs,
      asOf: new Date(end * 1000).toISOString(),
      ageMs: Number.isFinite(newestEnd) ? Math.max(0, Math.round(nowMs - newestEnd * 1000)) : undefined,
      nodes: joined.nodes(edges),
      edges,
      silent: [...world.mesh.proxies.values()].flatMap(({ id, address }) => (address === "" || reporting.has(id) ? [] : [id])),
      madeMs: nowMs,
      joined,
    };
  }

  /** Only where edges say that somebody called one in the window. */
  #unknownHosts({ windowMs, asOf, edges, joined }: Answer): readonly UnknownHost[] {
    const callers = new Set(edges.flatMap(({ from, to, state }) => (unnamedHosts.has(to.name) && state === "live" ? [from.name] : [])));
    if (callers.size === 0) return [];
    const nowMs = this.#options.telemetry.nowMs();
    const known = this.#hosts.get(windowMs);
    if (known !== undefined && nowMs - known.madeMs < 2 * keptMs) return known.hosts;
    const proxies = [...joined.world.mesh.proxies.values()]
      .filter(({ namespace, workload }) => callers.has(`${namespace}/${workload.name}`))
      .map(({ namespace, podName, workload, address }) => ({ namespace, podName, address, workload: workload.name }));
    // A request is logged at its end, and counted with the next report.
    const fromMs = Date.parse(asOf) - windowMs - 2000;
    const hosts = unknownHostsOf(this.#options.logsDir, proxies, fromMs);
    keep(this.#hosts, windowMs, { madeMs: nowMs, hosts });
    return hosts;
  }
}

/** "shop/legacy", in the store's order. */
function podsWithoutProxy(snapshot: Snapshot): readonly string[] {
  return snapshot
    .list("Pod")
    .filter((pod) => proxyKindOf(pod) === undefined && pod.metadata.namespace !== externalNamespace)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

function keep<Value>(kept: Map<number, Value>, key: number, value: Value): void {
  kept.delete(key);
  kept.set(key, value);
  const [oldest] = kept.keys();
  if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
}

/** Names of ends that are nobody in particular. */
const edgeEnds: ReadonlySet<string> = new Set(Object.values(endNames));

interface Wanted {
  readonly namespace: string | undefined;
  readonly service: string | undefined;
  readonly joined: MeshEdges;
}

interface Shown {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly MeshEdge[];
}

/** The edges that are asked for, their ends, and the workloads that are meant. */
function selected({ nodes, edges }: Shown, { namespace, service, joined }: Wanted): Shown {
  const isInNamespace = (name: string) => namespace === undefined || name.startsWith(`${namespace}/`);
  const isMeant = (name: string) => service === undefined || isNamed(service, [name], joined);
  const shown = edges.filter(({ from, to, service: host }) => {
    const isOfService = service === undefined || isNamed(service, [from.name, to.name, host], joined);
    return isOfService && (isInNamespace(from.name) || isInNamespace(to.name));
  });
  const ends = new Set(shown.flatMap(({ from, to }) => [from.name, to.name]));
  return {
    edges: shown,
    nodes: nodes.filter(({ name }) => ends.has(name) || (name.includes("/") && isInNamespace(name) && isMeant(name))),
  };
}

/** "web" is a workload, an app or a service of any namespace; "shop/web" and "web.shop" one of that namespace. */
function isNamed(wanted: string, names: readonly string[], { world }: MeshEdges): boolean {
  return names.some((name) => {
    const workload = world.workloads.get(name);
    const [namespace, short] = name.includes("/") ? [name.slice(0, name.indexOf("/")), name.slice(name.indexOf("/") + 1)] : ["", name];
    const app = workload?.labels["app"];
    const own = [short, ...(app === undefined ? [] : [app])];
    if (own.some((one) => wanted === one || wanted === `${namespace}/${one}` || wanted === `${one}.${namespace}`)) return true;
    const hosts = workload?.services ?? [name];
    return hosts.some((host) => {
      const [service = "", place = ""] = host.split(".");
      const isInternal = world.internalHosts.has(host);
      return host === wanted || (isInternal && [service, `${service}.${place}`, `${place}/${service}`].includes(wanted));
    });
  });
}
