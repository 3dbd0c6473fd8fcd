// The delta ADS server: streams of proxies in, each proxy's session planning what it gets. Given `generate`; knows neither
// model nor translate. Proxies are told apart by `authenticate`: locally the socket they connect to is their identity.

import { type Clock, systemClock } from "../lib/clock.ts";
import { type Logger, silentLogger } from "../lib/log.ts";
import type { DeltaRequest, DeltaResponse } from "./delta-wire.ts";
import { type GrpcService, newGrpcService } from "./grpc-service.ts";
import type { TakeExport } from "./proxy-exports.ts";
import { type Desired, ProxySession, type ResponseStream, type SessionStatus } from "./proxy-session.ts";
import { ProxySockets } from "./proxy-sockets.ts";
import { PushQueue, type Urgency } from "./push-queue.ts";
import { type RevisionProgress, revisionProgressOf } from "./revision-progress.ts";
import { type AdsCall, type Authenticate, isOwnRequest, Refusals, refuseStream, socketIdentity } from "./stream-identity.ts";
import { startTlsListener, type TlsListener, type TlsListenerOptions } from "./tls-listener.ts";
import { WriteGate } from "./write-gate.ts";
import type { OnXdsEvent } from "./xds-event.ts";

export interface AdsServerOptions {
  /** The newest configuration of a proxy; the same objects as before where nothing changed. Undefined while the proxy is unknown. */
  readonly generate: (proxyId: string) => Desired | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Takes what proxies report; known ones only. */
  readonly onExport?: TakeExport;
  /** Told of what happens, to count it. */
  readonly onEvent?: OnXdsEvent;
}

export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #services: GrpcService[] = [];
  readonly #sockets: ProxySockets;
  readonly #tlsListeners = new Set<TlsListener>();
  readonly #refusals = new Refusals();
  readonly #sessions = new Map<string, ProxySession>();
  readonly #queue: PushQueue;
  readonly #gate = new WriteGate();
  readonly #listeners = new Set<() => void>();
  #willTell = false;
  readonly #logger: Logger;
  readonly #now: () => number;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    const { clock = systemClock, logger = silentLogger } = options;
    this.#logger = logger;
    this.#now = () => clock.monotonic();
    const overSockets = this.#newService(socketIdentity);
    this.#sockets = new ProxySockets((connection) => overSockets.accept(connection));
    this.#queue = new PushQueue({ push: () => this.#pushAll(), now: this.#now });
  }

  /** Serves until the signal, then closes. */
  start(signal: AbortSignal): void {
    signal.addEventListener("abort", () => void this.close(), { once: true });
  }

  /** Ends all streams and removes all sockets. */
  async close(): Promise<void> {
    this.#queue.close();
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    for (const service of this.#services) service.close();
    await Promise.all([this.#sockets.closeAll(), ...[...this.#tlsListeners].map((listener) => listener.close())]);
  }

  /** Expects a proxy at a Unix socket of its own. Throws MeshError when it cannot listen. */
  async openSocket(proxyId: string, path: string): Promise<void> {
    this.#session(proxyId);
    await this.#sockets.open(proxyId, path);
  }

  /** Expects a proxy that comes by TLS: it has no socket, and `closeSocket` forgets it too. */
  expectProxy(proxyId: string): void {
    this.#session(proxyId);
  }

  /** Listens for proxies that come by TLS and prove who they are to `authenticate`. @throws MeshError when it cannot listen. */
  async listenTls({ authenticate, ...options }: TlsListenerOptions & { readonly authenticate: Authenticate }): Promise<TlsListener> {
    const service = this.#newService(authenticate);
    const listener = await startTlsListener(options, (connection) => service.accept(connection));
    this.#tlsListeners.add(listener);
    return listener;
  }

  /** How many streams were refused, by reason; a counter since the start. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals.counts;
  }

  /** Forgets a proxy and removes its socket. */
  async closeSocket(proxyId: string): Promise<void> {
    this.#sessions.get(proxyId)?.close();
    this.#sessions.delete(proxyId);
    await this.#sockets.close(proxyId);
    this.#changed();
  }

  /** Something changed for any proxies: configurations are generated anew, at once or debounced. */
  push(urgency: Urgency): void {
    this.#queue.changed(urgency);
  }

  /** Whether the proxy has a stream; one without is asked for by `generate` when it connects. */
  isConnected(proxyId: string): boolean {
    return this.#sessions.get(proxyId)?.isConnected ?? false;
  }

  /** Sets one proxy's configuration directly. */
  setDesired(proxyId: string, desired: Desired): void {
    this.#session(proxyId).setDesired(desired);
  }

  /** Every proxy that has a socket or was ever heard of, sorted by id. */
  status(): readonly SessionStatus[] {
    return [...this.#sessions.keys()].sort().flatMap((proxyId) => this.#sessions.get(proxyId)?.status() ?? []);
  }

  /** Which connected proxies have acknowledged everything that this revision of the store asks of them. */
  revisionProgress(revision: number): RevisionProgress {
    return revisionProgressOf(this.status(), revision);
  }

  /** Resolves once every connected proxy has acknowledged the revision, but for what it refused; at the signal, with what there is by then. */
  async whenAcknowledged(revision: number, signal: AbortSignal): Promise<RevisionProgress> {
    const isDone = () => signal.aborted || this.#hasEverywhere(revision);
    if (!isDone()) {
      await new Promise<void>((resolve) => {
        const check = () => {
          if (!isDone()) return;
          this.#listeners.delete(check);
          signal.removeEventListener("abort", check);
          resolve();
        };
        this.#listeners.add(check);
        signal.addEventListener("abort", check);
      });
    }
    return this.revisionProgress(revision);
  }

  /** Whether a proxy has acknowledged its newest configuration, but for what it refused. */
  isCurrent(proxyId: string): boolean {
    return this.#sessions.get(proxyId)?.isCurrent ?? false;
  }

  /**
   * Proxies that have not acknowledged their newest configuration, sorted; what they refused does not count. One without a stream counts when
   * it had one, or `expects` says that it is running: it may act upon an older one.
   */
  behind(expects: (proxyId: string) => boolean): readonly string[] {
    const ids: string[] = [];
    for (const [proxyId, session] of this.#sessions) {
      const isBehind = session.isConnected ? !session.isCurrent : session.wasConnected || expects(proxyId);
      if (isBehind) ids.push(proxyId);
    }
    return ids.sort();
  }

  /** Calls back after proxies' statuses changed, once for all that change in one turn of the event loop; returns the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #hasEverywhere(revision: number): boolean {
    for (const session of this.#sessions.values()) {
      if (session.isConnected && (session.settledRevision ?? -1) < revision) return false;
    }
    return true;
  }

  #session(proxyId: string): ProxySession {
    const known = this.#sessions.get(proxyId);
    if (known !== undefined) return known;
    const session = new ProxySession({
      proxyId,
      now: this.#now,
      logger: this.#logger,
      generate: () => this.#options.generate(proxyId),
      onChange: () => this.#changed(),
      onEvent: this.#options.onEvent,
    });
    this.#sessions.set(proxyId, session);
    return session;
  }

  #pushAll(): void {
    for (const [proxyId, session] of this.#sessions) {
      const desired = this.#options.generate(proxyId);
      if (desired !== undefined) session.setDesired(desired);
    }
  }

  #write(call: AdsCall, response: DeltaResponse, taken: () => void): void {
    const sizeBytes = response.resources.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const start = (release: () => void) => {
      if (call.cancelled || call.destroyed || call.writableEnded) return release();
      call.write(response, () => {
        release();
        taken();
      });
    };
    this.#gate.enter({ stream: call, sizeBytes, start });
  }

  /** Listeners look through all proxies: for each answer of each proxy that would be the square of their number. */
  #changed(): void {
    if (this.#willTell) return;
    this.#willTell = true;
    setImmediate(() => {
      this.#willTell = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  #newService(authenticate: Authenticate): GrpcService {
    const service = newGrpcService({
      serve: (call) => void this.#serve(call, authenticate),
      authenticate,
      onExport: this.#options.onExport,
    });
    this.#services.push(service);
    return service;
  }

  /** Nothing is read from a stream before it is known who opened it. */
  async #serve(call: AdsCall, authenticate: Authenticate): Promise<void> {
    const asked = new Promise<Awaited<ReturnType<Authenticate>>>((resolve) => resolve(authenticate(call)));
    const identity = await asked.catch((error: unknown) => {
      this.#logger.error("an identity could not be checked", { error: String(error) });
      return { refused: "failed" };
    });
    if (call.cancelled) return;
    if ("refused" in identity) return this.#refuse(call, "unauthenticated", { reason: identity.refused });
    const { proxyId, expiresAtMs } = identity;
    const session = this.#sessions.get(proxyId);
    if (session === undefined) return this.#refuse(call, "unauthenticated", { reason: "unknown proxy", proxy: proxyId });
    this.#serveProxy(call, session, proxyId);
    if (expiresAtMs === undefined) return;
    const { clock = systemClock } = this.#options;
    const timer = setTimeout(() => call.end(), Math.max(0, expiresAtMs - clock.now()));
    call.once("close", () => clearTimeout(timer));
  }

  #serveProxy(call: AdsCall, session: ProxySession, proxyId: string): void {
    const stream: ResponseStream = {
      write: (response, taken) => this.#write(call, response, taken),
      end: () => call.end(),
      refuse: () => this.#refuse(call, "tooMuch", { reason: "too much", proxy: proxyId }),
    };
    const detach = () => session.detach(stream);
    let isFirst = true;
    call.on("error", (error) => this.#logger.debug("stream error", { proxy: proxyId, error: error.message }));
    call.on("end", () => call.end());
    call.on("close", detach);
    call.on("cancelled", detach);
    call.on("data", (request: DeltaRequest) => {
      if (!isOwnRequest(request, proxyId, isFirst)) {
        detach();
        return this.#refuse(call, "nodeId", { reason: "node id", proxy: proxyId, nodeId: request.nodeId?.slice(0, 300) });
      }
      // Only now: a stream that is not the proxy's must not end the one that is.
      if (isFirst) session.attach(stream);
      isFirst = false;
      session.receive(stream, request);
    });
  }

  #refuse(
    call: AdsCall,
    kind: Parameters<typeof refuseStream>[1],
    why: { readonly reason: string } & Readonly<Record<string, unknown>>,
  ): void {
    this.#refusals.count(why.reason);
    this.#logger.warn("stream refused", { peer: call.getPeer(), ...why });
    refuseStream(call, kind);
  }
}
