// An address → the public keys published there, directly or by an OpenID provider's description (OpenID Connect Discovery 1.0).

import { z } from "zod";
import { parseKeySet } from "../../api/security/key-set.ts";
import { type FetchOptions, fetchText } from "./fetch-text.ts";

export type KeySetAnswer = { readonly keySet: string } | { readonly problem: string };

const description = z.object({ jwks_uri: z.string() });

/** Fetches a key set; `isDiscovery` follows a description to its jwks_uri, which passes the same checks as the address. */
export async function fetchKeySet(uri: string, isDiscovery: boolean, options: FetchOptions): Promise<KeySetAnswer> {
  const first = await fetchText(uri, options);
  if ("problem" in first) return first;
  const described = isDiscovery ? description.safeParse(jsonOf(first.text)).data : undefined;
  if (described === undefined) return keySetOf(first.text);
  const second = await fetchText(described.jwks_uri, options);
  return "problem" in second ? { problem: `its jwks_uri: ${second.problem}` } : keySetOf(second.text);
}

function keySetOf(text: string): KeySetAnswer {
  const { keySet, problems } = parseKeySet(text);
  return keySet === undefined ? { problem: `what it answered holds no keys: ${problems[0] ?? "it is empty"}` } : { keySet };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
