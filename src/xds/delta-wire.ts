// The two messages of delta xDS, written and read by hand: resources go onto the wire as the bytes they were encoded to,
// and the Node (tens of kilobytes) of a first request is skipped. Field numbers: envoy/service/discovery/v3/discovery.proto.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { EncodedResource } from "../envoy/config.ts";

/** What a DeltaDiscoveryRequest says, without the node. */
export interface DeltaRequest {
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name to version; only in the first request of a type on a stream. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** The nonce of the response this acknowledges; "" for a spontaneous request. */
  readonly nonce: string;
  /** Why the response was refused; undefined is an ACK. */
  readonly error: string | undefined;
}

/** A DeltaDiscoveryResponse whose resources are already encoded. */
export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
}

/** Serializes a DeltaDiscoveryResponse (resources = 2, type_url = 4, nonce = 5, removed_resources = 6); copies each resource once. */
export function encodeDeltaResponse(response: DeltaResponse): Buffer {
  const pieces: Uint8Array[] = [];
  for (const resource of response.resources) pieces.push(resourceHeader(resource, response.typeUrl), resource.bytes);
  const tail = new BinaryWriter();
  tail.tag(4, WireType.LengthDelimited).string(response.typeUrl);
  tail.tag(5, WireType.LengthDelimited).string(response.nonce);
  for (const name of response.removed) tail.tag(6, WireType.LengthDelimited).string(name);
  pieces.push(tail.finish());
  return Buffer.concat(pieces);
}

/** A resource goes to many proxies, always under the type URL of its type. */
const headers = new WeakMap<EncodedResource, Uint8Array>();

/**
 * All of one Resource up to its content: version = 1, name = 3, resource = 2, an Any with type_url = 1 and value = 2, which comes
 * last so that the bytes can follow as they are.
 */
function resourceHeader(resource: EncodedResource, typeUrl: string): Uint8Array {
  const known = headers.get(resource);
  if (known !== undefined) return known;
  const { version, name, bytes } = resource;
  const anyLength = stringSize(typeUrl) + 1 + varintSize(bytes.length) + bytes.length;
  const length = stringSize(version) + stringSize(name) + 1 + varintSize(anyLength) + anyLength;
  const header = new BinaryWriter()
    .tag(2, WireType.LengthDelimited)
    .uint32(length)
    .tag(1, WireType.LengthDelimited)
    .string(version)
    .tag(3, WireType.LengthDelimited)
    .string(name)
    .tag(2, WireType.LengthDelimited)
    .uint32(anyLength)
    .tag(1, WireType.LengthDelimited)
    .string(typeUrl)
    .tag(2, WireType.LengthDelimited)
    .uint32(bytes.length)
    .finish();
  headers.set(resource, header);
  return header;
}

/** Bytes of a string field with a field number below 16. */
function stringSize(value: string): number {
  const length = Buffer.byteLength(value);
  return 1 + varintSize(length) + length;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

/** Reads a DeltaDiscoveryRequest; throws on bytes that are none. */
export function decodeDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const reader = new BinaryReader(bytes);
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const initialVersions = new Map<string, string>();
  let typeUrl = "";
  let nonce = "";
  let error: string | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2) typeUrl = reader.string();
    else if (field === 3) subscribe.push(reader.string());
    else if (field === 4) unsubscribe.push(reader.string());
    else if (field === 5) initialVersions.set(...mapEntry(reader.bytes()));
    else if (field === 6) nonce = reader.string();
    else if (field === 7) error = statusMessage(reader.bytes());
    else reader.skip(wireType, field);
  }
  return { typeUrl, subscribe, unsubscribe, initialVersions, nonce, error };
}

/** An entry of map<string, string>: key = 1, value = 2. */
function mapEntry(bytes: Uint8Array): [string, string] {
  const reader = new BinaryReader(bytes);
  let key = "";
  let value = "";
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else reader.skip(wireType, field);
  }
  return [key, value];
}

/** The message (2) of a google.rpc.Status. */
function statusMessage(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let message = "";
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2) message = reader.string();
    else reader.skip(wireType, field);
  }
  return message === "" ? "the proxy gave no reason" : message;
}
