// Content hashes: names and versions that depend on nothing but the bytes.

import { hash } from "node:crypto";

/** The first 16 hexadecimal digits (64 bits) of SHA-256: for versions, cache keys and generated names, not for secrets. */
export function contentHash(content: string | Uint8Array): string {
  return hash("sha256", content, "hex").slice(0, 16);
}
