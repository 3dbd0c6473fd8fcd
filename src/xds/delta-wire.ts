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

/** Serializes a DeltaDiscoveryResponse: resources = 2, type_url = 4, nonce = 5, removed_resources = 6. */
export function encodeDeltaResponse(response: DeltaResponse): Uint8Array {
  const writer = new BinaryWriter();
  for (const resource of response.resources) {
    writer.tag(2, WireType.LengthDelimited).fork();
    // Resource: version = 1, resource = 2 (Any: type_url = 1, value = 2), name = 3.
    writer.tag(1, WireType.LengthDelimited).string(resource.version);
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(response.typeUrl);
    writer.tag(2, WireType.LengthDelimited).bytes(resource.bytes).join();
    writer.tag(3, WireType.LengthDelimited).string(resource.name).join();
  }
  writer.tag(4, WireType.LengthDelimited).string(response.typeUrl);
  writer.tag(5, WireType.LengthDelimited).string(response.nonce);
  for (const name of response.removed) writer.tag(6, WireType.LengthDelimited).string(name);
  return writer.finish();
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
