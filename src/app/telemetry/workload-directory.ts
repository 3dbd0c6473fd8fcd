// Who is behind a proxy's id, and behind a peer's certificate: the mesh's proxies, and for a while those that are gone, since their last reports come late.
// In: the newest mesh. Out: the labels of both sides of a connection, and which proxies have ended.

import { printSpiffeId } from "../../ca/spiffe-id.ts";
import { parseWorkloadDnsName, workloadDnsName } from "../../ca/workload-name.ts";
import type { Mesh, MeshProxy, MeshSettings } from "../../model/mesh.ts";
import { splitParts } from "../../telemetry/composite-tags.ts";
import type { OwnSide, PeerName } from "../../telemetry/expand-tags.ts";
import { workloadText } from "../../translate/endpoint/cluster-load-assignment.ts";
import { identityOf } from "../proxy-secrets.ts";

/** The part of the mesh that names workloads. */
export type KnownMesh = Pick<Mesh, "proxies" | "settings">;

export interface WorkloadDirectoryOptions {
  readonly mesh: () => KnownMesh | undefined;
  /** How long a proxy is known after its pod: its last flush is a second late, more on a busy machine. 10 s unless given. */
  readonly graceMs?: number;
}

interface Entry {
  readonly proxy: MeshProxy;
  readonly own: OwnSide;
  /** The name in its certificate. */
  readonly dnsName: string;
  goneMs: number | undefined;
}

export class WorkloadDirectory {
  readonly #mesh: WorkloadDirectoryOptions["mesh"];
  readonly #graceMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #byDnsName = new Map<string, PeerName>();
  #proxies: Mesh["proxies"] | undefined;
  #trustDomain: string | undefined;
  /** Proxies in their grace. */
  #goneCount = 0;

  constructor({ mesh, graceMs = 10_000 }: WorkloadDirectoryOptions) {
    this.#mesh = mesh;
    this.#graceMs = graceMs;
  }

  /** Follows the mesh; returns the ids of proxies whose grace is over: they are forgotten. Cheap while nothing changed. */
  refresh(nowMs: number): readonly string[] {
    const mesh = this.#mesh();
    const isSame = mesh === undefined || (mesh.proxies === this.#proxies && mesh.settings.trustDomain === this.#trustDomain);
    if (!isSame) this.#follow(mesh, nowMs);
    if (this.#goneCount === 0) return [];
    const ended = [...this.#entries].filter(([, { goneMs }]) => goneMs !== undefined && nowMs - goneMs >= this.#graceMs);
    this.#goneCount -= ended.length;
    for (const [id] of ended) this.#entries.delete(id);
    if (ended.length > 0) this.#nameAll();
    return ended.map(([id]) => id);
  }

  /** The sender's own side; undefined for a proxy that the mesh doesn't know. */
  ownOf(proxyId: string): OwnSide | undefined {
    return this.#entries.get(proxyId)?.own;
  }

  /** The proxy itself, also for a while after its end. */
  proxyOf(proxyId: string): MeshProxy | undefined {
    return this.#entries.get(proxyId)?.proxy;
  }

  /** Its pod is there. */
  isLiving(proxyId: string): boolean {
    const entry = this.#entries.get(proxyId);
    return entry !== undefined && entry.goneMs === undefined;
  }

  /** Ids of all proxies that aren't forgotten. */
  ids(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Who a certificate of this mesh names, by its DNS SANs as Envoy prints them; the certificate itself says less. */
  peerOf(dnsSans: string): PeerName | undefined {
    for (const name of dnsSans.split(",").slice(0, maxNames)) {
      const known = this.#byDnsName.get(name) ?? parseWorkloadDnsName(name);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  #follow(mesh: KnownMesh, nowMs: number): void {
    const isOther = mesh.settings.trustDomain !== this.#trustDomain;
    this.#proxies = mesh.proxies;
    this.#trustDomain = mesh.settings.trustDomain;
    for (const [id, entry] of this.#entries) if (!mesh.proxies.has(id)) entry.goneMs ??= nowMs;
    for (const [id, proxy] of mesh.proxies) {
      const known = this.#entries.get(id);
      if (known?.proxy === proxy && !isOther) known.goneMs = undefined;
      else this.#entries.set(id, entryOf(proxy, mesh.settings));
    }
    this.#goneCount = [...this.#entries.values()].filter(({ goneMs }) => goneMs !== undefined).length;
    this.#nameAll();
  }

  #nameAll(): void {
    this.#byDnsName.clear();
    for (const { dnsName, own } of this.#entries.values()) {
      const [workload = "", namespace = "", canonicalName = "", version = "", cluster = ""] = splitParts(own.workload, 7);
      this.#byDnsName.set(dnsName, { workload, namespace, canonicalName, version, cluster });
    }
  }
}

/** A certificate of ours has one; others may have as many as a handshake holds. */
const maxNames = 10;

function entryOf(proxy: MeshProxy, settings: MeshSettings): Entry {
  const { trustDomain } = settings;
  const { namespace, serviceAccount } = proxy;
  const { workload } = identityOf(proxy, settings);
  const { name = "", version = "" } = workload ?? {};
  return {
    proxy,
    own: { workload: workloadText(proxy.workload), principal: printSpiffeId({ trustDomain, namespace, serviceAccount }) },
    dnsName: workloadDnsName({ version, workload: name, namespace }),
    goneMs: undefined,
  };
}
