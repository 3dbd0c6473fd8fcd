// A RouteConfiguration as a concatenation: protobuf allows a repeated field's entries anywhere, so the encoded head
// followed by encoded virtual hosts is the message. Used by translate (whole) and by the push planner (mixes).

import { contentHash } from "../lib/hash.ts";
import type { EncodedResource, ResourcePart, ResourceReference } from "./config.ts";

/** Field 2 (virtual_hosts), length-delimited. */
const virtualHostsTag = 0x12;

/** Prefixes a serialized VirtualHost with its tag and length. */
export function virtualHostEntry(message: Uint8Array): Uint8Array {
  const prefix = [virtualHostsTag];
  let length = message.length;
  for (; length > 0x7f; length >>>= 7) prefix.push((length & 0x7f) | 0x80);
  prefix.push(length);
  const entry = new Uint8Array(prefix.length + message.length);
  entry.set(prefix);
  entry.set(message, prefix.length);
  return entry;
}

/** The bytes one after the other. */
export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/** The route configuration made of `head` and `parts`, in the order given; references and sources are the parts' together. */
export function composeRoutes(name: string, head: Uint8Array, parts: readonly ResourcePart[]): EncodedResource {
  const bytes = concatenate([head, ...parts.map((part) => part.bytes)]);
  return {
    type: "rds",
    name,
    version: contentHash(bytes),
    bytes,
    references: mergedReferences(parts.flatMap((part) => part.references)),
    sources: [...new Set(parts.flatMap((part) => part.sources))].sort(),
    composite: { head, parts },
  };
}

/** References sorted by type and name, each once. */
export function mergedReferences(references: Iterable<ResourceReference>): readonly ResourceReference[] {
  const byKey = new Map<string, ResourceReference>();
  for (const reference of references) byKey.set(`${reference.type} ${reference.name}`, reference);
  return [...byKey.keys()].sort().flatMap((key) => byKey.get(key) ?? []);
}
