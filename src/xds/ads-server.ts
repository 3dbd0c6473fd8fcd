// The delta ADS server: streams of proxies in, each proxy's session planning what it gets. Given `generate`; knows neither
// model nor translate. Proxies are told apart by `authenticate`: locally the socket they connect to is their identity.

import { status as grpcStatus, Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { type Clock, systemClock } from "../lib/clock.ts";
import { type Logger, silentLogger } from "../lib/log.ts";
import { type DeltaRequest, type DeltaResponse, decodeDeltaRequest, encodeDeltaResponse } from "./delta-wire.ts";
import { type Desired, ProxySession, type ResponseStream, type SessionStatus } from "./proxy-session.ts";
import { ProxySockets } from "./proxy-sockets.ts";
import { PushQueue, type Urgency } from "./push-queue.ts";
import { type RevisionProgress, revisionProgressOf } from "./revision-progress.ts";
import { WriteGate } from "./write-gate.ts";

export type AdsCall = ServerDuplexStream<DeltaRequest, DeltaResponse>;

export interface AdsServerOptions {
  /** The newest configuration of a proxy; the same objects as before where nothing changed. Undefined while the proxy is unknown. */
  readonly generate: (proxyId: string) => Desired | undefined;
  /** Who opened a stream; undefined refuses it. Default: the proxy of the socket. */
  readonly authenticate?: (call: AdsCall) => string | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const deltaMethod = {
  path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
  requestStream: true,
  responseStream: true,
  requestSerialize: () => Buffer.alloc(0),
  requestDeserialize: decodeDeltaRequest,
  responseSerialize: encodeDeltaResponse,
  responseDeserialize: () => undefined,
} as const;

/** A delta reconnect lists every version it has: megabytes in a large mesh. Keepalive finds dead peers. */
const serverOptions = {
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
  "grpc.max_send_message_length": -1,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.enable_channelz": 0,
} as const;

export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #server = new Server(serverOptions);
  readonly #sockets: ProxySockets;
  readonly #sessions = new Map<string, ProxySession>();
  readonly #queue: PushQueue;
  readonly #gate = new WriteGate();
  readonly #listeners = new Set<() => void>();
  readonly #logger: Logger;
  readonly #now: () => number;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    const { clock = systemClock, logger = silentLogger } = options;
    this.#logger = logger;
    this.#now = () => clock.monotonic();
    this.#server.addService({ delta: deltaMethod }, { delta: (call: AdsCall) => this.#serve(call) });
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#sockets = new ProxySockets((connection) => injector.injectConnection(connection));
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
    this.#server.forceShutdown();
    await this.#sockets.closeAll();
  }

  /** Expects a proxy at a Unix socket of its own. Throws MeshError when it cannot listen. */
  async openSocket(proxyId: string, path: string): Promise<void> {
    this.#session(proxyId);
    await this.#sockets.open(proxyId, path);
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

  /**
   * Whether every proxy has acknowledged its newest configuration, but for what it refused. One without a stream counts when it had one, or
   * `expects` says that it is running: it may act upon an older one.
   */
  isEverywhereCurrent(expects: (proxyId: string) => boolean): boolean {
    for (const [proxyId, session] of this.#sessions) {
      if (session.isConnected ? !session.isCurrent : session.wasConnected || expects(proxyId)) return false;
    }
    return true;
  }

  /** Calls back after each change of a proxy's status; returns the function that ends it. */
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

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #serve(call: AdsCall): void {
    const { authenticate = (open: AdsCall) => open.getPeer() } = this.#options;
    const proxyId = authenticate(call);
    if (proxyId === undefined || !this.#sessions.has(proxyId)) {
      call.emit("error", { code: grpcStatus.UNAUTHENTICATED, details: "no proxy is known by this identity" });
      return;
    }
    const session = this.#session(proxyId);
    const stream: ResponseStream = {
      write: (response, taken) => this.#write(call, response, taken),
      end: () => call.end(),
    };
    call.on("data", (request: DeltaRequest) => session.receive(stream, request));
    call.on("error", (error) => this.#logger.debug("stream error", { proxy: proxyId, error: error.message }));
    call.on("end", () => call.end());
    call.on("close", () => session.detach(stream));
    call.on("cancelled", () => session.detach(stream));
    session.attach(stream);
  }
}
