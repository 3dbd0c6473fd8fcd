// Pod addresses: a pool over 198.18.0.0/16 that hands out the address unused for longest, so a stale endpoint never hits a new pod.
// Pure bookkeeping, no I/O.

import { Unavailable } from "../../lib/errors.ts";

/** The fabric's own address, first of 198.18.0.0/16 (RFC 2544: reserved for benchmarks, never on the internet). */
export const fabricAddress = "198.18.0.1";
/** All pods' addresses and the fabric. */
export const podRange = "198.18.0.0/16";
/** Addresses that Istio gives to hosts without one (`ISTIO_META_DNS_AUTO_ALLOCATE`). */
export const autoAllocatedRange = "240.240.0.0/16";

const first = 2;
const last = 0xffff - 1;

const addressOf = (index: number): string => `198.18.${index >> 8}.${index & 0xff}`;

/** Hands out pod addresses. */
export class AddressPool {
  #next = first;
  readonly #released: string[] = [];

  /** The next address; throws Unavailable when all 65,533 are in use. */
  take(): string {
    if (this.#next <= last) {
      const address = addressOf(this.#next);
      this.#next += 1;
      return address;
    }
    const oldest = this.#released.shift();
    if (oldest === undefined) throw new Unavailable("no pod address is free in 198.18.0.0/16", { fix: "Remove pods that are not needed." });
    return oldest;
  }

  /** Gives an address back; it is used again only after every other one. */
  release(address: string): void {
    this.#released.push(address);
  }
}
