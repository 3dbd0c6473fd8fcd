// The one RTDS resource: desired split weights → a checked layer → bytes. Envoy validates nothing here and answers 404
// to every request of a split whose sum is zero, so a wrong split must never leave.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { EncodedResource, RuntimeLayer } from "../envoy/config.ts";
import { isSettingKey, isShareKey, runtimeLayerName } from "../envoy/config.ts";
import { contentHash } from "../lib/hash.ts";

/** Sum of the weights of every split; fixed, because cohort hashing is modulo the sum. */
const weightTotal = 10_000;

/** A split that was not sent, and why. */
export interface RefusedSplit {
  readonly prefix: string;
  readonly message: string;
}

export interface CheckedLayer {
  /** The splits that may be sent. */
  readonly layer: RuntimeLayer;
  readonly refused: readonly RefusedSplit[];
}

const checkedLayers = new WeakMap<RuntimeLayer, CheckedLayer>();
const encodedLayers = new WeakMap<RuntimeLayer, EncodedResource>();

/** The prefix of `<runtime_key_prefix>.<cluster name>`: "w." and a hash without dots; of other keys all before the first dot. */
export function splitPrefixOf(key: string): string {
  const dot = key.indexOf(".", key.startsWith("w.") ? 2 : 0);
  return dot < 0 ? key : key.slice(0, dot);
}

/** Leaves out splits that Envoy would not survive; returns the very same layer when all are good. */
export function checkedLayer(layer: RuntimeLayer): CheckedLayer {
  const known = checkedLayers.get(layer);
  if (known !== undefined) return known;
  const sums = new Map<string, number>();
  const messages = new Map<string, string>();
  for (const [key, weight] of layer) {
    const prefix = isSettingKey(key) ? key : splitPrefixOf(key);
    sums.set(prefix, (sums.get(prefix) ?? 0) + weight);
    if (!Number.isInteger(weight) || weight < 0) messages.set(prefix, `weight ${weight} of ${key} is not a whole number ≥ 0`);
  }
  for (const [prefix, sum] of sums) {
    if (sum !== weightTotal && !isSettingKey(prefix) && !messages.has(prefix))
      messages.set(prefix, `weights sum to ${sum} instead of ${weightTotal}`);
  }
  const good =
    messages.size === 0 ? layer : new Map([...layer].filter(([key]) => !messages.has(isSettingKey(key) ? key : splitPrefixOf(key))));
  const refused = [...messages].map(([prefix, message]) => ({ prefix, message }));
  const checked = { layer: good, refused };
  checkedLayers.set(layer, checked);
  return checked;
}

/**
 * The layer to send: the desired splits, and of the splits sent before those that desired refuses or no longer has.
 *
 * @param keepVanished whether splits without desired weights stay: as long as the proxy's routes may still read them.
 */
export function mergedLayer(desired: RuntimeLayer, sent: RuntimeLayer, keepVanished: boolean): RuntimeLayer {
  const { layer, refused } = checkedLayer(desired);
  if (sent.size === 0 || (!keepVanished && refused.length === 0)) return layer;
  const desiredPrefixes = new Set([...layer.keys()].map(splitPrefixOf));
  const refusedPrefixes = new Set(refused.map((split) => split.prefix));
  const kept = [...sent].filter(([key]) => {
    const prefix = splitPrefixOf(key);
    // Nothing waits for a setting: it goes at once.
    if (isSettingKey(key)) return false;
    return !desiredPrefixes.has(prefix) && (keepVanished || refusedPrefixes.has(prefix));
  });
  return kept.length === 0 ? layer : new Map([...layer, ...kept]);
}

/** Encodes envoy.service.runtime.v3.Runtime: name = 1, layer = 2 (Struct: fields = 1, a map to Value: number_value = 2, string_value = 3, struct_value = 5). */
export function encodeRuntimeLayer(layer: RuntimeLayer): EncodedResource {
  const known = encodedLayers.get(layer);
  if (known !== undefined) return known;
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(runtimeLayerName);
  writer.tag(2, WireType.LengthDelimited).fork();
  for (const [key, weight] of [...layer].sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key);
    if (isShareKey(key)) writeShare(writer, weight);
    else writer.tag(2, WireType.LengthDelimited).fork().tag(2, WireType.Bit64).double(weight).join();
    writer.join();
  }
  const bytes = writer.join().finish();
  const version = contentHash(bytes);
  const resource: EncodedResource = { type: "rtds", name: runtimeLayerName, version, bytes, references: [], sources: [] };
  encodedLayers.set(layer, resource);
  return resource;
}

/** The map entry's value as envoy.type.v3.FractionalPercent in a Struct. */
function writeShare(writer: BinaryWriter, hundredths: number): void {
  writer.tag(2, WireType.LengthDelimited).fork().tag(5, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string("numerator");
  writer.tag(2, WireType.LengthDelimited).fork().tag(2, WireType.Bit64).double(hundredths).join().join();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string("denominator");
  writer.tag(2, WireType.LengthDelimited).fork().tag(3, WireType.LengthDelimited).string("TEN_THOUSAND").join().join();
  writer.join().join();
}
