// The mesh's identities over time: certificates renewed, roots rotated, and changes of mutual TLS taken step by step, each once every proxy has
// acknowledged the one before. The shell around src/ca and model/mtls-phases.

import type { Authority, OwnAuthority } from "../ca/authority.ts";
import type { IssuedCertificate } from "../ca/leaf.ts";
import type { RootRotation } from "../ca/root-rotation.ts";
import type { WorkloadCertificates } from "../ca/workload-certificates.ts";
import { MeshError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { Mesh, MeshSettings } from "../model/mesh.ts";
import { defaultMeshSettings } from "../model/mesh.ts";
import type { MtlsPhases } from "../model/security.ts";
import type { AuthorityAccess } from "./authority-access.ts";
import { identityOf } from "./proxy-secrets.ts";

export interface MeshSecurityOptions {
  readonly authority: Authority | OwnAuthority;
  readonly certificates: WorkloadCertificates;
  /** What every proxy had acknowledged before this process. */
  readonly phases: MtlsPhases;
  /** What that process had pushed and not every proxy acknowledged. */
  readonly inFlight?: MtlsPhases | undefined;
  /** Ids of the proxies that have not acknowledged the newest configuration. */
  readonly behind: () => readonly string[];
  /** Configurations are to be made anew. */
  readonly onChange: () => void;
  /** These proxies' certificates are new ones, and nothing else is. */
  readonly onRenewed: (proxyIds: readonly string[]) => void;
  /** `phases` changed, to be kept. */
  readonly onKeep: () => void;
  readonly logger: Logger;
  /** Time for handshakes between two steps of a root rotation, see defaultHandshakeMs. */
  readonly handshakeMs?: number;
  /** Time for workers between two steps of a change of mode, see defaultWorkerMs. */
  readonly workerMs?: number;
}

/**
 * A proxy acknowledges before its workers have taken over, and a handshake that began with an old certificate may end after the next step:
 * TLS 1.3 clients send their request before the server refuses them. On a busy machine that took half a second.
 */
const defaultHandshakeMs = 2000;
/** The same between two steps of a change of mode, where nobody refuses a handshake: until the workers have the listener or endpoints. */
const defaultWorkerMs = 500;
const renewalCheckMs = 1000;
/** Renewals in one go, about 5 ms of one core, and the time between rounds while more are due: a push in between waits for one round at most. */
const renewalLimit = 25;
const busyRenewalMs = 20;
const authorityCheckMs = 60_000;

export class MeshSecurity implements AuthorityAccess {
  readonly #options: MeshSecurityOptions;
  #phases: MtlsPhases;
  /** Pushed and not acknowledged by all yet. */
  #pushed: MtlsPhases | undefined;
  #isMoving = false;
  #proxies: Mesh["proxies"] = new Map();
  #settings: MeshSettings = defaultMeshSettings;
  /** Proxy ids by their identity. */
  #byIdentity: ReadonlyMap<string, readonly string[]> = new Map();
  #renewal: NodeJS.Timeout | undefined;
  #lastRefresh = performance.now();
  /** Certificates under another root than the signing one are still being renewed. */
  #isReissuing = false;
  /** Asked for a push that has not happened yet: what proxies acknowledge now is still the one before. */
  #awaitsPush = false;
  /** Why certificates can't be renewed now. */
  #problem: string | undefined;
  /** The step of a change of mode that everybody has, and since when. */
  #arrived: { readonly phases: MtlsPhases; readonly sinceMs: number } | undefined;
  #pause: NodeJS.Timeout | undefined;
  /** The step of the root rotation that everybody has, and since when. */
  #taken: { readonly step: number; readonly sinceMs: number } | undefined;
  #isClosed = false;

  constructor(options: MeshSecurityOptions) {
    this.#options = options;
    this.#phases = options.phases;
    this.#pushed = options.inFlight;
    // Nothing of this process has been pushed yet.
    this.#awaitsPush = true;
    this.#schedule(renewalCheckMs);
  }

  /** What every proxy has acknowledged: an input of the next mesh. */
  get phases(): MtlsPhases {
    return this.#phases;
  }

  /** What was pushed last, while not every proxy has acknowledged it: an input of the next mesh too. */
  get inFlight(): MtlsPhases | undefined {
    return this.#pushed;
  }

  /** Ids of the proxies that hold up a change of mutual TLS, and with it the revision that asks for it; none while nothing changes. */
  get heldUpBy(): readonly string[] {
    return this.#isMoving ? this.#options.behind() : [];
  }

  /** The certificate that a proxy has been given; undefined for an unknown proxy. @throws MeshError when none can be made. */
  certificateOf(proxyId: string): IssuedCertificate | undefined {
    const proxy = this.#proxies.get(proxyId);
    return proxy && this.#options.certificates.certificateOf(identityOf(proxy, this.#settings));
  }

  authorityStatus(): ReturnType<AuthorityAccess["authorityStatus"]> {
    const { authority, behind } = this.#options;
    return { ...authority.status(), trustDomain: this.#settings.trustDomain, waitingFor: behind(), problem: this.#problem };
  }

  /** A mesh is about to be handed to the proxies: what it tells them is kept first, for whoever comes after a kill. */
  pushing({ mtls }: Mesh): void {
    const pushed = mtls.phases === this.#phases ? undefined : mtls.phases;
    if (pushed === this.#pushed) return;
    this.#pushed = pushed;
    this.#options.onKeep();
  }

  /** A mesh was handed to the proxies. */
  pushed({ mtls, proxies, settings }: Mesh): void {
    this.#isMoving = mtls.isMoving;
    this.#awaitsPush = false;
    if (proxies === this.#proxies && settings === this.#settings) return;
    this.#proxies = proxies;
    this.#settings = settings;
    const identities = [...proxies.values()].map((proxy) => ({ id: proxy.id, identity: identityOf(proxy, settings) }));
    const grouped = Map.groupBy(identities, ({ identity }) => JSON.stringify(identity));
    this.#byIdentity = new Map([...grouped].map(([key, members]) => [key, members.map(({ id }) => id)]));
    this.#options.certificates.retain(identities.map(({ identity }) => identity));
  }

  /** A proxy acknowledged something, or came, or went: takes the next step if everybody has the last one. */
  advance(): void {
    const rotation = this.#rotation();
    if (this.#awaitsPush || (this.#pushed === undefined && rotation === undefined)) return;
    if (this.#options.behind().length > 0) return;
    this.#advancePhases();
    if (rotation !== undefined && !this.#isReissuing && !this.#awaitsPush && this.#areHandshakesOver(rotation))
      this.#advanceRotation(rotation);
  }

  /** Whether everybody has had this step for long enough; asked again every second. */
  #areHandshakesOver({ step, phase }: RootRotation): boolean {
    const now = performance.now();
    if (this.#taken?.step !== step) this.#taken = { step, sinceMs: now };
    // The last step changes nothing any more.
    return phase === "retiring" || now - this.#taken.sinceMs >= (this.#options.handshakeMs ?? defaultHandshakeMs);
  }

  /** @throws Conflict while a rotation is under way, MeshError unsupported for plug-in files. */
  startRootRotation(): RootRotation {
    const started = this.#ownAuthority().startRootRotation();
    this.#options.logger.info("root rotation started", { step: started.step });
    this.#changed();
    return started;
  }

  renewCertificates(): number {
    const { certificates, logger } = this.#options;
    certificates.expireAll();
    logger.info("all certificates are renewed on demand", { count: certificates.size });
    this.#renewNow();
    return certificates.size;
  }

  /** Calls a rotation off while the old root is still trusted by all; later it changes nothing. */
  abortRootRotation(): RootRotation {
    const state = this.#ownAuthority().abortRootRotation();
    this.#renewNow();
    this.#changed();
    return state;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#renewal);
    clearTimeout(this.#pause);
  }

  #changed(): void {
    this.#awaitsPush = true;
    this.#options.onChange();
  }

  #ownAuthority(): OwnAuthority {
    const { authority } = this.#options;
    if ("startRootRotation" in authority) return authority;
    throw new MeshError("bad_request", "the certificates come from plug-in files: their owner rotates the root", {
      fix: "replace the files; both roots in root-cert.pem first, then the new signing key, then the new root alone",
    });
  }

  #rotation(): RootRotation | undefined {
    const { rotation } = this.#options.authority.status();
    return rotation === undefined || rotation.phase === "steady" ? undefined : rotation;
  }

  #advancePhases(): void {
    const pushed = this.#pushed;
    if (pushed === undefined || (this.#isMoving && !this.#haveWorkers(pushed))) return;
    this.#pushed = undefined;
    this.#phases = pushed;
    this.#options.onKeep();
    if (this.#isMoving) this.#changed();
  }

  /** Whether everybody has had this step for long enough; else it is asked again when that is over. */
  #haveWorkers(phases: MtlsPhases): boolean {
    const now = performance.now();
    if (this.#arrived?.phases !== phases) this.#arrived = { phases, sinceMs: now };
    const leftMs = this.#arrived.sinceMs + (this.#options.workerMs ?? defaultWorkerMs) - now;
    if (leftMs <= 0) return true;
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.advance(), leftMs);
    return false;
  }

  #advanceRotation({ phase, step }: RootRotation): void {
    const { logger } = this.#options;
    try {
      const next = this.#ownAuthority().acknowledgeRootRotation(step);
      logger.info("every proxy has acknowledged a step of the root rotation", { done: phase, next: next.phase });
    } catch (error) {
      // The disk refused, say: everybody trusts what they have, and the next second tries again.
      logger.error("the next step of the root rotation can't be taken", { error: MeshError.from(error).message });
      return;
    }
    this.#renewNow();
    this.#changed();
  }

  #schedule(afterMs: number): void {
    if (this.#isClosed) return;
    this.#renewal = setTimeout(() => {
      const isMoreDue = this.#renewNow();
      this.advance();
      this.#schedule(isMoreDue ? busyRenewalMs : renewalCheckMs);
    }, afterMs);
  }

  /** Renews what is due; true when more is. */
  #renewNow(): boolean {
    const { authority, certificates, logger } = this.#options;
    const now = performance.now();
    let isBundleNew = false;
    if (now - this.#lastRefresh >= authorityCheckMs) {
      this.#lastRefresh = now;
      try {
        isBundleNew = authority.refresh();
        this.#startDueRotation();
      } catch (error) {
        logger.error("the authority's files can't be used; what was read before stays in use", { error: MeshError.from(error).message });
      }
    }
    const { renewed, isMoreDue, problem } = certificates.renewDue(renewalLimit);
    // It is tried again every second, and told once.
    if (problem !== undefined && problem.message !== this.#problem)
      logger.error("certificates can't be renewed; the old ones stay", { error: problem.message, fix: problem.fix });
    this.#problem = problem?.message;
    this.#isReissuing = isMoreDue || problem !== undefined;
    if (renewed.length > 0) logger.debug("certificates renewed", { count: renewed.length });
    if (isBundleNew) this.#changed();
    if (renewed.length > 0) this.#options.onRenewed(renewed.flatMap((identity) => this.#byIdentity.get(JSON.stringify(identity)) ?? []));
    return isMoreDue;
  }

  #startDueRotation(): void {
    const { authority } = this.#options;
    const { isRootDue, rotation } = authority.status();
    if (isRootDue && rotation?.phase === "steady") this.startRootRotation();
  }
}
