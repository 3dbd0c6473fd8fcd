// Who opened a stream. Its first request must name the same proxy, and nothing is sent before that. In: a gRPC call and the listener's way to tell
// identities. Out: a known proxy's requests, or one constant sentence for the caller and a reason for our log and counter.

import { status as grpcStatus, type ServerDuplexStream, type ServerUnaryCall } from "@grpc/grpc-js";
import type { DeltaRequest, DeltaResponse } from "./delta-wire.ts";

export type AdsCall = ServerDuplexStream<DeltaRequest, DeltaResponse>;

/** Any call of a proxy, as far as it says who calls. */
export type Caller = Pick<ServerUnaryCall<unknown, unknown>, "getPeer" | "metadata">;

/** The proxy at the other end. */
export interface StreamIdentity {
  readonly proxyId: string;
  /** When its proof is over, in milliseconds since the Unix epoch: the stream ends then, and the proxy has to prove itself again. */
  readonly expiresAtMs?: number;
}

/** Nobody we serve; the reason is for log and counter, never for the caller. */
export interface RefusedStream {
  readonly refused: string;
}

/** Tells who opened a stream. Must not throw; bounds its own work per caller. */
export type Authenticate = (call: Caller) => StreamIdentity | RefusedStream | Promise<StreamIdentity | RefusedStream>;

/** All that a refused caller learns. */
export const refusalMessages = {
  unauthenticated: "the caller is not a known proxy",
  nodeId: "the node id is not the caller's",
  tooMuch: "the caller asks for too much",
} as const;

/** The identity of a stream over a Unix socket: the connection bears the proxy's id as its peer (proxy-sockets.ts). */
export function socketIdentity(call: Caller): StreamIdentity {
  return { proxyId: call.getPeer() };
}

/** How many streams were refused and why; reasons are a fixed few. */
export class Refusals {
  readonly #counts = new Map<string, number>();

  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** Reason to count, sorted. */
  get counts(): ReadonlyMap<string, number> {
    return new Map([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** Ends a stream with a status; whatever the caller still sends is ignored. */
export function refuseStream(call: AdsCall, kind: keyof typeof refusalMessages): void {
  const code = {
    unauthenticated: grpcStatus.UNAUTHENTICATED,
    nodeId: grpcStatus.PERMISSION_DENIED,
    tooMuch: grpcStatus.RESOURCE_EXHAUSTED,
  }[kind];
  call.removeAllListeners("data");
  call.emit("error", { code, details: refusalMessages[kind] });
}

/** Whether a request may be of this proxy: the first one of a stream must say so, later ones mustn't say otherwise. */
export function isOwnRequest({ nodeId }: DeltaRequest, proxyId: string, isFirst: boolean): boolean {
  return nodeId === undefined ? !isFirst : nodeId === proxyId;
}
