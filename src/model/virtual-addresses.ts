// Addresses for ServiceEntry hosts that have none, so that captured DNS can answer and listeners can tell TCP hosts apart.
// Source: Istio's auto-allocation from 240.240.0.0/16 (pilot/pkg/networking/serviceentry, class E: never routed).

import type { ServiceEntry } from "../api/networking/service-entry.ts";
import { contentHash } from "../lib/hash.ts";

const first = (240 << 8) | 240;
/** Hosts of 240.240.0.0/16 without network and broadcast address. */
const capacity = 65_534;

/** Key of one host of one ServiceEntry. */
export function hostKey(namespace: string, host: string): string {
  return `${namespace}/${host}`;
}

/** Whether a host of this entry gets an address: it needs DNS, is no wildcard, and has none. */
function needsAddress(entry: ServiceEntry, host: string): boolean {
  return entry.spec.addresses.length === 0 && entry.spec.resolution !== "NONE" && !host.startsWith("*");
}

/**
 * The automatic address of each host that needs one, by `hostKey`. Depends on nothing but names (a hash, then the next free one), and older
 * entries choose first, so a new entry never moves an older one's address.
 */
export function automaticAddresses(oldestFirst: readonly ServiceEntry[]): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>();
  const taken = new Set<number>();
  for (const entry of oldestFirst) {
    for (const host of entry.spec.hosts.map((written) => written.toLowerCase())) {
      const key = hostKey(entry.metadata.namespace, host);
      if (!needsAddress(entry, host) || addresses.has(key) || taken.size >= capacity) continue;
      const slot = freeSlot(Number.parseInt(contentHash(key).slice(0, 8), 16) % capacity, taken);
      taken.add(slot);
      addresses.set(key, `${first >> 8}.${first & 0xff}.${(slot + 1) >> 8}.${(slot + 1) & 0xff}`);
    }
  }
  return addresses;
}

function freeSlot(start: number, taken: ReadonlySet<number>): number {
  let slot = start;
  while (taken.has(slot)) slot = (slot + 1) % capacity;
  return slot;
}
