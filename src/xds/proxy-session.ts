// One proxy over its whole life: what it should have, what it acknowledged, and the stream between, if there is one.
// The shell around the planner: events in, responses out, a timer; knows no gRPC.

import { emptyConfig, type ProxyConfig, type ResourceType } from "../envoy/config.ts";
import type { Logger } from "../lib/log.ts";
import type { DeltaRequest, DeltaResponse } from "./delta-wire.ts";
import { connected, received } from "./proxy-events.ts";
import { initialState, type ProxyState } from "./proxy-state.ts";
import { isAcknowledged, isAcknowledgedOrRefused, type ProxyProgress, progressOf } from "./proxy-status.ts";
import { plan } from "./push-plan.ts";
import { resourceSetOf, resourceTypeOf, resourceTypes, typeUrls } from "./resource-types.ts";
import type { OnXdsEvent } from "./xds-event.ts";

/** What a proxy should have, and the store's revision it was made from. */
export interface Desired {
  readonly config: ProxyConfig;
  readonly revision: number;
}

/** The writing half of a stream. */
export interface ResponseStream {
  /** Calls back when the transport took the message; until then nothing more is written. */
  write(response: DeltaResponse, taken: () => void): void;
  end(): void;
  /** Ends it because the proxy asks for more than any proxy needs. */
  refuse(): void;
}

export interface SessionOptions {
  readonly proxyId: string;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  readonly logger: Logger;
  /** The newest desired configuration, asked for when a proxy connects; undefined: the one it was given last. */
  readonly generate: () => Desired | undefined;
  /** Something of `status` may have changed. */
  readonly onChange: () => void;
  readonly onEvent?: OnXdsEvent | undefined;
}

export interface SessionStatus {
  readonly proxyId: string;
  readonly isConnected: boolean;
  /** The newest revision whose configuration was acknowledged as a whole; undefined before the first. */
  readonly acknowledgedRevision: number | undefined;
  /** The newest revision of which nothing is waited for any more: acknowledged but for what the proxy refused. */
  readonly settledRevision: number | undefined;
  /** The revision it should have now. */
  readonly desiredRevision: number | undefined;
  readonly progress: ProxyProgress;
}

/** First requests kept while there is no configuration: one per type and some; more would be a proxy that misbehaves. */
const maxEarlyRequests = 32;
/** Sum of the names in them. */
const maxEarlyNames = 200_000;
/**
 * Length of the names that a proxy may ask for on one stream although nothing of its configuration bears them: we have to remember them. An
 * Envoy asks for such only when something is just being removed.
 */
const maxStrangeCharacters = 4 * 1024 * 1024;
/** A request of a type that we don't serve counts as so many: a stream may have about a thousand. */
const strangeTypeCharacters = 4096;

export class ProxySession {
  readonly #options: SessionOptions;
  #state: ProxyState = initialState;
  #desired: Desired | undefined;
  #stream: ResponseStream | undefined;
  /** Messages that the transport has not taken: a proxy that does not read costs these and no more. */
  #unwritten = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What was acknowledged as a whole, and what nothing is waited for any more of: the very objects of setDesired. */
  #acknowledged: Desired | undefined;
  #settled: Desired | undefined;
  /** When its configuration became another one that it has not acknowledged yet. */
  #changedAt: number | undefined;
  #wasConnected = false;
  #rejections = 0;
  #early: DeltaRequest[] = [];
  #strangeCharacters = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  /** Whether it had a stream in this process; such a proxy may act upon what it was given although it is away now. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  /** Whether nothing of the newest configuration is waited for: acknowledged but for what the proxy refused. True without one. */
  get isCurrent(): boolean {
    return this.#settled === this.#desired;
  }

  get acknowledgedRevision(): number | undefined {
    return this.#acknowledged?.revision;
  }

  get settledRevision(): number | undefined {
    return this.#settled?.revision;
  }

  get desiredRevision(): number | undefined {
    return this.#desired?.revision;
  }

  /** A stream opened; one before it is ended, because a proxy has one. */
  attach(stream: ResponseStream): void {
    this.#stream?.end();
    this.#stream = stream;
    this.#early = [];
    this.#strangeCharacters = 0;
    this.#unwritten = 0;
    // It may be another process that knows nothing: what it holds counts again once it has said so.
    this.#acknowledged = undefined;
    this.#settled = undefined;
    this.#wasConnected = true;
    this.#state = connected(this.#state === initialState ? undefined : this.#state);
    this.#desired = this.#options.generate() ?? this.#desired;
    this.#options.onChange();
  }

  /** A stream ended; ignored when another has taken its place. */
  detach(stream: ResponseStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    clearTimeout(this.#timer);
    this.#options.onChange();
  }

  /** The proxy said something. */
  receive(stream: ResponseStream, request: DeltaRequest): void {
    if (this.#stream !== stream) return;
    const { typeUrl, nodeId: _, ...rest } = request;
    const type = resourceTypeOf(typeUrl);
    if (type !== undefined && this.#desired === undefined) {
      this.#keepEarly(request);
      return;
    }
    this.#countStrange(request, type);
    if (this.#strangeCharacters > maxStrangeCharacters) {
      this.detach(stream);
      stream.refuse();
      return;
    }
    if (type === undefined) return;
    const { outstanding } = this.#state.types[type];
    const isAnswer = outstanding !== undefined && request.nonce === String(outstanding.sequence);
    // A proxy may connect and ask before anybody knows what it should have; it is answered when that is known.
    this.#state = received(this.#state, { ...rest, type }, this.#desired?.config ?? emptyConfig);
    // A refusal of what was never sent is no news, and would let a caller fill our log.
    if (isAnswer && request.error !== undefined) {
      this.#options.onEvent?.({ kind: "refused", type });
      this.#reportRefusal(request);
    }
    this.#advance();
  }

  /** A proxy may connect before its configuration can be made (its pod has no address yet): its first requests wait for it. */
  #keepEarly(request: DeltaRequest): void {
    const names = [...this.#early, request].reduce((sum, early) => sum + early.subscribe.length + early.initialVersions.size, 0);
    if (this.#early.length < maxEarlyRequests && names <= maxEarlyNames) this.#early.push(request);
  }

  #countStrange({ typeUrl, subscribe }: DeltaRequest, type: ResourceType | undefined): void {
    if (type === undefined) {
      if (this.#strangeCharacters === 0) {
        this.#options.logger.warn("request not served", { proxy: this.#options.proxyId, typeUrl: typeUrl.slice(0, 200) });
      }
      this.#strangeCharacters += typeUrl.length + strangeTypeCharacters;
      return;
    }
    const known = resourceSetOf(this.#desired?.config ?? emptyConfig, type);
    for (const name of subscribe) if (!known.has(name)) this.#strangeCharacters += name.length + 1;
  }

  /** What the proxy should have from now on. */
  setDesired(desired: Desired): void {
    const before = this.#desired;
    this.#desired = desired;
    if (before?.config === desired.config) {
      this.#carryOver(before, desired);
      return;
    }
    this.#changedAt ??= this.#options.now();
    const early = this.#early;
    this.#early = [];
    const stream = this.#stream;
    if (stream !== undefined) for (const request of early) this.receive(stream, request);
    this.#advance();
  }

  /** Another revision with the same configuration: what was planned holds, and what was acknowledged is. */
  #carryOver(before: Desired, desired: Desired): void {
    if (this.#stream === undefined) return;
    if (this.#acknowledged === before) this.#acknowledged = desired;
    if (this.#settled !== before) return;
    this.#settled = desired;
    this.#options.onChange();
  }

  /** Ends the stream and the timer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#stream?.end();
    this.#stream = undefined;
  }

  status(): SessionStatus {
    const config = this.#desired?.config;
    const state = this.#state;
    return {
      proxyId: this.#options.proxyId,
      isConnected: this.isConnected,
      acknowledgedRevision: this.#acknowledged?.revision,
      settledRevision: this.#settled?.revision,
      desiredRevision: this.#desired?.revision,
      // Only where it is asked for: of a thousand proxies mostly those few that are behind.
      get progress() {
        return config === undefined ? { isAcknowledged: false, obstacles: [] } : progressOf(state, config);
      },
    };
  }

  #advance(): void {
    const { now } = this.#options;
    if (this.#stream === undefined || this.#desired === undefined || this.#unwritten > 0) return;
    clearTimeout(this.#timer);
    const next = plan(this.#state, this.#desired.config, now());
    this.#state = next.state;
    for (const { type, ...response } of next.responses) {
      const sizeBytes = response.resources.reduce((sum, { bytes }) => sum + bytes.length, 0);
      this.#options.onEvent?.({ kind: "sent", type, sizeBytes });
      this.#write(this.#stream, { ...response, typeUrl: typeUrls[type] });
    }
    if (next.wakeAt !== undefined) this.#timer = setTimeout(() => this.#advance(), Math.max(0, next.wakeAt - now()));
    this.#recordProgress();
  }

  #write(stream: ResponseStream, response: DeltaResponse): void {
    this.#unwritten += 1;
    const { now, onEvent } = this.#options;
    const startedAt = now();
    stream.write(response, () => {
      if (this.#stream !== stream) return;
      onEvent?.({ kind: "taken", ms: now() - startedAt });
      this.#unwritten -= 1;
      if (this.#unwritten === 0) this.#advance();
    });
  }

  #recordProgress(): void {
    const desired = this.#desired;
    if (desired === undefined || this.#acknowledged === desired) return;
    const isWhole = isAcknowledged(this.#state, desired.config);
    if (!isWhole && (this.#settled === desired || !isAcknowledgedOrRefused(this.#state, desired.config))) return;
    this.#settled = desired;
    if (isWhole) this.#acknowledged = desired;
    if (isWhole && this.#changedAt !== undefined) {
      this.#options.onEvent?.({ kind: "converged", ms: this.#options.now() - this.#changedAt });
      this.#changedAt = undefined;
    }
    this.#options.onChange();
  }

  #reportRefusal({ typeUrl, error }: DeltaRequest): void {
    const rejections = resourceTypes.flatMap((type) => [...this.#state.types[type].rejected.values()]);
    const { logger, proxyId, onChange } = this.#options;
    logger.warn("the proxy refused a response", {
      proxy: proxyId,
      typeUrl,
      error: error?.slice(0, 2000),
      refused: rejections.map(({ unit }) => unit),
    });
    if (rejections.length !== this.#rejections) onChange();
    this.#rejections = rejections.length;
  }
}
