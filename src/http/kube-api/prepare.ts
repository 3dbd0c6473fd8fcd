// What an API server does to a body before it is checked: write-only conveniences become what is stored. Pure.

import { isJsonObject } from "../../store/json.ts";
import type { RawResource } from "../../store/store.ts";

/** A Secret's stringData goes, base64-encoded, into its data; null timestamps of generated manifests go away. */
export function prepared(raw: RawResource): RawResource {
  const metadata = Object.fromEntries(Object.entries(raw.metadata).filter(([, value]) => value !== null));
  const clean = { ...raw, metadata };
  return raw.kind === "Secret" ? secretPrepared(clean) : clean;
}

function secretPrepared(raw: RawResource): RawResource {
  const { stringData, data, ...rest } = raw;
  if (!isJsonObject(stringData) || (data !== undefined && !isJsonObject(data))) return raw;
  const texts = Object.entries(stringData);
  // Anything but text is left for the parser to refuse at its own path.
  if (texts.some(([, text]) => typeof text !== "string")) return raw;
  const encoded = texts.map(([key, text]) => [key, Buffer.from(String(text), "utf8").toString("base64")] as const);
  return {
    ...rest,
    metadata: raw.metadata,
    apiVersion: raw.apiVersion,
    kind: raw.kind,
    data: Object.fromEntries([...Object.entries(data ?? {}), ...encoded]),
  };
}
