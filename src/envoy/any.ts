// google.protobuf.Any as typed JSON: {"@type": …, …fields}. Types are registered when they are first used, because
// loading every Envoy extension would cost 100 MB; so the codec knows exactly what was ever written.

import type { DescMessage, JsonObject, MessageJsonType, Registry } from "@bufbuild/protobuf";
import { createMutableRegistry } from "@bufbuild/protobuf";
import type { AnyJson } from "@bufbuild/protobuf/wkt";

const registry = createMutableRegistry();

/** The types that may stand in an Any, for `fromJson` and `toJson`. */
export const anyTypes: Registry = registry;

/** The type URL of a message, as Envoy writes it. */
export function typeUrl(schema: DescMessage): string {
  return `type.googleapis.com/${schema.typeName}`;
}

/** Makes types known to the codec without packing one, for reading JSON that others wrote (tests, config dumps). */
export function registerAnyTypes(...schemas: readonly DescMessage[]): void {
  for (const schema of schemas) {
    if (registry.getMessage(schema.typeName) === undefined) registry.add(schema);
  }
}

/** Packs the JSON form of a message into the JSON form of an Any. */
export function any<Desc extends DescMessage>(schema: Desc, json: MessageJsonType<Desc> & JsonObjectLike): AnyJson {
  registerAnyTypes(schema);
  const fields: JsonObject | JsonObjectLike = json;
  return { "@type": typeUrl(schema), ...fields };
}

/** Messages whose JSON form is an object: all but a few well-known types. */
type JsonObjectLike = object;
