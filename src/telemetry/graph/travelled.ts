// A series' labels → how its connections travelled: with whose certificates, in plain text, or not at all. A part of traffic-edges.ts.

import type { Labels } from "../point.ts";
import { unknownValue } from "../standard-metrics.ts";

/** How the proxy of a series says that connections travelled; undefined: no connection was made. */
export type Travelled = { readonly source: string; readonly destination: string } | "plain" | undefined;

/** A server knows by its policy whether the connection was mutual TLS, a client by the name that the server showed. */
export function travelledOf(labels: Labels): Travelled {
  const { source_principal: source = unknownValue, destination_principal: destination = unknownValue } = labels;
  const isServer = labels["reporter"] === "destination";
  const isEncrypted = isServer ? labels["connection_security_policy"] === "mutual_tls" : destination !== unknownValue;
  if (isEncrypted) return { source, destination };
  return isBeforeConnection(labels) ? undefined : "plain";
}

/** No connection to a server was made: nothing says how it would have travelled. */
function isBeforeConnection(labels: Labels): boolean {
  const flags = (labels["response_flags"] ?? "").split(",");
  return ["UF", "UH", "NR", "NC", "UO", "DC"].some((flag) => flags.includes(flag));
}
