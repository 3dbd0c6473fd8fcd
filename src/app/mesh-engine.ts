// From the store to the proxies: each change becomes a new mesh, each proxy's configuration follows, and what they acknowledged is known.
// In: store events, resolved names. Out: desired configurations to the ADS server, the name table, findings.

import { analyze } from "../analyze/analyze.ts";
import type { Diagnostic } from "../api/diagnostic.ts";
import type { Authority, OwnAuthority } from "../ca/authority.ts";
import { systemRootsPem } from "../ca/system-roots.ts";
import type { WorkloadCertificates } from "../ca/workload-certificates.ts";
import { MeshError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { Mesh } from "../model/mesh.ts";
import { createModel } from "../model/mesh-of.ts";
import type { MtlsPhases } from "../model/security.ts";
import type { SettledWeights } from "../model/weights.ts";
import type { Store, StoreEvent } from "../store/store.ts";
import { createTranslator } from "../translate/proxy-config.ts";
import type { AdsServer } from "../xds/ads-server.ts";
import type { Desired } from "../xds/proxy-session.ts";
import { PushQueue, type Urgency } from "../xds/push-queue.ts";
import { ExternalInputs, type ExternalInputsOptions, type KeptInputs } from "./external-inputs.ts";
import { MeshSecurity } from "./mesh-security.ts";
import { createSettingsReader } from "./mesh-settings.ts";
import { ProxySecrets } from "./proxy-secrets.ts";
import { PublishedNames } from "./published-names.ts";
import { releaseInputs } from "./releases/start-releases.ts";
import { urgencyOf } from "./urgency.ts";

/** What a restarted control plane needs to make the same configuration again. */
export interface Kept extends KeptInputs {
  readonly settled: SettledWeights;
  readonly mtls: MtlsPhases;
  /** Pushed, and not acknowledged by all. */
  readonly mtlsInFlight?: MtlsPhases | undefined;
}

export interface MeshEngineOptions {
  readonly store: Store;
  readonly ads: AdsServer;
  /** Path of the Unix socket of a pod's proxy. */
  readonly socketOf: (podUid: string) => string;
  readonly logger: Logger;
  readonly egress: boolean;
  /** Of the process before this one. */
  readonly kept: Kept;
  readonly authority: Authority | OwnAuthority;
  readonly certificates: WorkloadCertificates;
  readonly credentials: ExternalInputsOptions["credentials"];
  /** Called when any of it changed, to keep it over a restart. */
  readonly onKeep: (kept: Kept) => void;
}

export class MeshEngine {
  /** What nodes resolve. */
  readonly names = new PublishedNames();
  readonly #options: MeshEngineOptions;
  readonly #model = createModel();
  readonly #translator = createTranslator();
  readonly #settingsOf = createSettingsReader();
  readonly #queue: PushQueue;
  readonly #external: ExternalInputs;
  readonly #unsubscribe: () => void;
  readonly #security: MeshSecurity;
  readonly #secrets: ProxySecrets;
  #pending: Urgency | undefined;
  #mesh: Mesh | undefined;
  /** The store's revision that #mesh was made from. */
  #revision = 0;
  #proxies: Mesh["proxies"] = new Map();
  #settled: SettledWeights;
  /** Why a proxy's configuration could not be made; it keeps the one before. */
  readonly #untranslated = new Map<string, string>();
  #tapped: ReadonlyMap<string, number> = new Map();
  #findings: { readonly revision: number; readonly list: readonly Diagnostic[] } = { revision: -1, list: [] };

  constructor(options: MeshEngineOptions) {
    this.#options = options;
    const { ads, authority, certificates, kept, logger } = options;
    this.#settled = kept.settled;
    this.#queue = new PushQueue({ push: () => this.#push(), now: () => performance.now() });
    this.#external = new ExternalInputs({
      kept,
      credentials: options.credentials,
      egress: options.egress,
      logger,
      onChange: () => this.#changed("immediate"),
      onKeep: () => this.#keep(),
    });
    this.#secrets = new ProxySecrets({
      authority,
      certificates,
      credentials: (namespace, name) => this.#external.credentials.secretResource(namespace, name),
      systemRootsPem,
      standInRootsPem: (host) => this.#external.roots.pemOf(host),
    });
    this.#security = new MeshSecurity({
      authority,
      certificates,
      phases: kept.mtls,
      inFlight: kept.mtlsInFlight,
      behind: () => [...new Set([...ads.behind((id) => this.runs(id)), ...this.#untranslated.keys()])].sort(),
      onChange: () => this.#changed("immediate"),
      onRenewed: (ids) => this.#deliver(ids),
      onKeep: () => this.#keep(),
      logger,
    });
    const unsubscribe = [options.store.subscribe((event) => this.#onEvent(event)), ads.onChange(() => this.#security.advance())];
    this.#unsubscribe = () => {
      for (const end of unsubscribe) end();
    };
    this.#push();
  }

  /** Identities, certificates and the root. */
  get security(): MeshSecurity {
    return this.#security;
  }

  get mesh(): Mesh | undefined {
    return this.#mesh;
  }

  /** Which proxies tell of their requests, each how many of a hundred, until the next call; a restart forgets it. */
  tap(percentByProxy: ReadonlyMap<string, number>): void {
    this.#tapped = percentByProxy;
    this.#changed("immediate");
  }

  /** What the analysis of all objects together found; computed when asked for. */
  findings(): readonly Diagnostic[] {
    const snapshot = this.#options.store.snapshot();
    if (this.#findings.revision !== snapshot.revision) {
      this.#findings = { revision: snapshot.revision, list: [...this.#settingsOf(snapshot).diagnostics, ...analyze(snapshot)] };
    }
    const external = this.#mesh === undefined ? [] : this.#external.findings(snapshot, this.#mesh);
    return [...this.#findings.list, ...external, ...this.#untranslatedFindings()];
  }

  #untranslatedFindings(): readonly Diagnostic[] {
    for (const id of this.#untranslated.keys()) if (!this.#proxies.has(id)) this.#untranslated.delete(id);
    return [...this.#untranslated].map(([id, reason]) => ({
      code: "LTN0903",
      severity: "error",
      resource: "",
      path: "",
      message: `proxy ${id}: its configuration can't be made, so it keeps the one before: ${reason}`,
      fix: "correct or remove the object that was applied last; please report this, every object should be checked before",
    }));
  }

  close(): void {
    this.#unsubscribe();
    this.#queue.close();
    this.#external.close();
    this.#security.close();
  }

  #onEvent(event: StoreEvent): void {
    this.#changed(urgencyOf(event));
  }

  /** Gathers what one turn of the event loop changes, so that a rolled-out object and its endpoints are one push. */
  #changed(urgency: Urgency): void {
    const idle = this.#pending === undefined;
    if (this.#pending !== "immediate") this.#pending = urgency;
    if (!idle) return;
    setImmediate(() => {
      const pending = this.#pending ?? "structure";
      this.#pending = undefined;
      this.#queue.changed(pending);
    });
  }

  #push(): void {
    const snapshot = this.#options.store.snapshot();
    const mesh = this.#model.meshOf(snapshot, {
      ...this.#external.of(snapshot),
      ...releaseInputs(snapshot),
      settings: this.#settingsOf(snapshot).settings,
      settled: this.#settled,
      mtls: this.#security.phases,
      mtlsInFlight: this.#security.inFlight,
      tapped: this.#tapped,
    });
    this.#mesh = mesh;
    // A revision counts as pushed with the last of its steps: only then it is in force.
    if (!mesh.mtls.isMoving) this.#revision = snapshot.revision;
    this.#secrets.generation(mesh);
    if (mesh.settled !== this.#settled) {
      this.#settled = mesh.settled;
      this.#keep();
    }
    this.#security.pushing(mesh);
    this.#followProxies(mesh);
    this.#deliver(mesh.proxies.keys());
    this.#security.pushed(mesh);
    this.#security.advance();
    this.#external.follow(mesh, snapshot);
    this.names.update(mesh, snapshot.list("Pod"));
  }

  /** Gives proxies their newest configuration; one without a stream gets it when it connects, until then it would be made in vain. */
  #deliver(proxyIds: Iterable<string>): void {
    const { ads } = this.#options;
    for (const id of proxyIds) {
      const desired = ads.isConnected(id) ? this.desiredOf(id) : undefined;
      if (desired !== undefined) ads.setDesired(id, desired);
    }
  }

  /** Whether a proxy's pod runs, ready or not, so that its Envoy acts upon some configuration. */
  runs(proxyId: string): boolean {
    const proxy = this.#mesh?.proxies.get(proxyId);
    if (proxy === undefined) return false;
    return this.#options.store.snapshot().get("Pod", proxy.namespace, proxy.podName)?.status?.phase === "Running";
  }

  /** What a proxy should have by the newest mesh; undefined when it is unknown, or nothing can be made for it (yet). */
  desiredOf(proxyId: string): Desired | undefined {
    const mesh = this.#mesh;
    const proxy = mesh?.proxies.get(proxyId);
    // Before its pod has an address a proxy would become ready without its inbound side.
    if (mesh === undefined || proxy === undefined || proxy.address === "") return undefined;
    try {
      const config = this.#secrets.withSecrets(this.#translator(mesh, proxy), proxy);
      this.#untranslated.delete(proxyId);
      return { config, revision: this.#revision };
    } catch (error) {
      // One proxy's translation never stops the others: it keeps its last good configuration.
      this.#untranslated.set(proxyId, MeshError.from(error).message);
      this.#options.logger.error("a proxy's configuration can't be made", {
        proxy: proxyId,
        error: error instanceof Error ? error.stack : String(error),
      });
      return undefined;
    }
  }

  /** A proxy's socket is open from the moment its pod exists, so that Envoy never has to try twice. */
  #followProxies(mesh: Mesh): void {
    const { ads, logger, socketOf } = this.#options;
    if (this.#proxies === mesh.proxies) return;
    for (const [id, proxy] of this.#proxies) {
      if (mesh.proxies.get(id)?.podUid === proxy.podUid) continue;
      void ads.closeSocket(id).catch((error: unknown) => logger.warn("a proxy's socket was not closed", { id, error: String(error) }));
    }
    for (const [id, proxy] of mesh.proxies) {
      if (this.#proxies.get(id)?.podUid === proxy.podUid) continue;
      void ads
        .openSocket(id, socketOf(proxy.podUid))
        .catch((error: unknown) => logger.error("a proxy's socket can't be opened", { id, error: String(error) }));
    }
    this.#proxies = mesh.proxies;
  }

  #keep(): void {
    this.#options.onKeep({
      settled: this.#settled,
      ...this.#external.kept,
      mtls: this.#security.phases,
      mtlsInFlight: this.#security.inFlight,
    });
  }
}
