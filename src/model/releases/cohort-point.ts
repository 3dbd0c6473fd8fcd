// Where a user stands in a release's cohorts, as Envoy computes it for weighted clusters: for whoever must answer the same without a proxy.

import { weightTotal } from "../weights.ts";
import { cohortValue } from "./cohort.ts";

/**
 * The place of a user, 0 to 9999; `user` is what the cookie, header or claim says. Members of a split take the places from 0 on in their
 * order, each as many as its weight, so of [stable, candidate] the candidate has the last ones.
 */
export function cohortPoint(release: string, user: string): number {
  return carriedPoint(release, cohortValue(user));
}

/** The same for what a request itself says of its user: the value of the baggage member, or of a cookie or header as it stands. */
export function carriedPoint(release: string, carried: string): number {
  return Number(xxHash64(new TextEncoder().encode(`${release}:${carried}`)) % BigInt(weightTotal));
}

const mask: bigint = 0xffff_ffff_ffff_ffffn;
const prime1: bigint = 0x9e37_79b1_85eb_ca87n;
const prime2: bigint = 0xc2b2_ae3d_27d4_eb4fn;
const prime3: bigint = 0x1656_67b1_9e37_79f9n;
const prime4: bigint = 0x85eb_ca77_c2b2_ae63n;
const prime5: bigint = 0x27d4_eb2f_1656_67c5n;

/** XXH64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), which Envoy's HashUtil uses. */
function xxHash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = (at: number) => view.getBigUint64(at, true);
  let at = 0;
  let hash = prime5;
  if (bytes.length >= 32) {
    const lanes: [bigint, bigint, bigint, bigint] = [(prime1 + prime2) & mask, prime2, 0n, (mask + 1n - prime1) & mask];
    for (; at + 32 <= bytes.length; at += 32) {
      for (const lane of [0, 1, 2, 3] as const) lanes[lane] = round(lanes[lane], long(at + 8 * lane));
    }
    const [a, b, c, d] = lanes;
    hash = (rotated(a, 1n) + rotated(b, 7n) + rotated(c, 12n) + rotated(d, 18n)) & mask;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * prime1 + prime4) & mask;
  }
  hash = (hash + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8) hash = (rotated(hash ^ round(0n, long(at)), 27n) * prime1 + prime4) & mask;
  if (at + 4 <= bytes.length) {
    hash = (rotated(hash ^ ((BigInt(view.getUint32(at, true)) * prime1) & mask), 23n) * prime2 + prime3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at += 1) hash = (rotated(hash ^ ((BigInt(view.getUint8(at)) * prime5) & mask), 11n) * prime1) & mask;
  hash = ((hash ^ (hash >> 33n)) * prime2) & mask;
  hash = ((hash ^ (hash >> 29n)) * prime3) & mask;
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return (rotated((lane + input * prime2) & mask, 31n) * prime1) & mask;
}

function rotated(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}
