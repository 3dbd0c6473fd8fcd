// Typed proto3 JSON → protobuf bytes, the edge at which Envoy objects leave the pure code. The only caller of fromJson.

import type { DescMessage, MessageJsonType, Registry } from "@bufbuild/protobuf";
import { fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { MeshError } from "../lib/errors.ts";
import { anyTypes } from "./any.ts";

/**
 * Serializes the JSON form of a message; equal JSON (key order of maps included) gives equal bytes.
 *
 * Throws MeshError "internal" that names the field when the JSON does not fit the schema: that is a bug of a translator.
 */
export function encodeJson<Desc extends DescMessage>(schema: Desc, json: MessageJsonType<Desc>, types: Registry = anyTypes): Uint8Array {
  try {
    return toBinary(schema, fromJson(schema, json, { registry: types }));
  } catch (cause) {
    throw new MeshError("internal", `cannot encode ${schema.typeName}: ${MeshError.from(cause).message}`, { cause });
  }
}

/** The JSON form of a serialized message; the inverse of `encodeJson` up to defaults and key order. */
export function decodeJson<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array, types: Registry = anyTypes): MessageJsonType<Desc> {
  return toJson(schema, fromBinary(schema, bytes), { registry: types, enumAsInteger: false });
}
