// The two messages of delta xDS, written and read by hand: resources go onto the wire as the bytes they were encoded to,
// and of the Node (tens of kilobytes) of a first request only the id is read. Field numbers: envoy/service/discovery/v3/discovery.proto.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { EncodedResource } from "../envoy/config.ts";

/** What a DeltaDiscoveryRequest says. */
export interface DeltaRequest {
  /** Whom the caller says it is; undefined without a node, which Envoy sends with the first request of a stream only. */
  readonly nodeId: string | undefined;
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

/** Most names and versions in one request: ten times what a proxy of the largest mesh has; more would be an attack on our memory. */
const maxNames = 200_000;

/** Reads a DeltaDiscoveryRequest; throws on bytes that are none. */
export function decodeDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const initialVersions = new Map<string, string>();
  let nodeId: string | undefined;
  let typeUrl = "";
  let nonce = "";
  let error: string | undefined;
  let names = 0;
  eachField(bytes, (field, reader) => {
    if (field >= 3 && field <= 5) {
      names += 1;
      if (names > maxNames) throw new RangeError(`more than ${maxNames} names in one request`);
    }
    if (field === 1) nodeId = textField(reader.bytes(), 1);
    else if (field === 2) typeUrl = reader.string();
    else if (field === 3) subscribe.push(reader.string());
    else if (field === 4) unsubscribe.push(reader.string());
    else if (field === 5) initialVersions.set(...mapEntry(reader.bytes()));
    else if (field === 6) nonce = reader.string();
    else if (field === 7) error = textField(reader.bytes(), 2) || "the proxy gave no reason";
    else return false;
    return true;
  });
  return { nodeId, typeUrl, subscribe, unsubscribe, initialVersions, nonce, error };
}

/**
 * Walks a message. `read` says whether it took the field's content; all that we read is length-delimited. Nothing descends into what is
 * skipped, and groups, the one thing that would, are refused: no message of xDS has any.
 */
function eachField(bytes: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) throw new TypeError("groups are not read");
    if (wireType === WireType.LengthDelimited && read(field, reader)) continue;
    reader.skip(wireType, field);
  }
}

/** An entry of map<string, string>: key = 1, value = 2. */
function mapEntry(bytes: Uint8Array): [string, string] {
  return [textField(bytes, 1), textField(bytes, 2)];
}

/** One string field of a message, "" when it isn't there: Node.id = 1, google.rpc.Status.message = 2. */
function textField(bytes: Uint8Array, wanted: number): string {
  let text = "";
  eachField(bytes, (field, reader) => {
    if (field !== wanted) return false;
    text = reader.string();
    return true;
  });
  return text;
}
