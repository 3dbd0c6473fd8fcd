// What each application's spans take of the store, by trace: so that one of them can't fill it. Pure but for its state.

import type { Span } from "./span.ts";

interface Share {
  bytes: number;
  /** Bytes by trace, in the order in which the sender began to take part. */
  readonly traces: Map<string, number>;
}

export class SenderShares {
  readonly #maxBytes: number;
  readonly #shares = new Map<string, Share>();

  /** `maxBytes` of one sender. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Counts a span of a trace. */
  add(sender: string, traceId: string, bytes: number): void {
    const share = this.#shares.get(sender) ?? { bytes: 0, traces: new Map<string, number>() };
    this.#shares.set(sender, share);
    share.bytes += bytes;
    share.traces.set(traceId, (share.traces.get(traceId) ?? 0) + bytes);
  }

  /** The sender's spans of a trace are gone. */
  remove(sender: string, traceId: string): void {
    const share = this.#shares.get(sender);
    const bytes = share?.traces.get(traceId);
    if (share === undefined || bytes === undefined) return;
    share.traces.delete(traceId);
    share.bytes -= bytes;
    if (share.traces.size === 0) this.#shares.delete(sender);
  }

  /** The trace whose spans of this sender have to go first for so many more bytes; undefined while there is room. */
  oldestBeyond(sender: string, bytes: number): string | undefined {
    const share = this.#shares.get(sender);
    if (share === undefined || share.bytes + bytes <= this.#maxBytes) return undefined;
    return share.traces.keys().next().value;
  }
}

/** Whose share a span counts for; "" for proxies, which are ours. */
export function shareOf({ sender: { kind, namespace, pod } }: Pick<Span, "sender">): string {
  return kind === "proxy" ? "" : `${kind} ${namespace}/${pod}`;
}
