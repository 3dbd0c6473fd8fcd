// The seam between translate (which makes it) and xds (which delivers it): one proxy's whole configuration, encoded.

import { type DurationMs, durationMs } from "../lib/duration.ts";

/** The xDS types we serve, named as Envoy's discovery services. */
export type ResourceType = "cds" | "eds" | "lds" | "rds" | "sds" | "rtds" | "ecds";

/** Another resource that must be usable on the proxy before this one may name it. */
export interface ResourceReference {
  readonly type: ResourceType;
  readonly name: string;
}

/**
 * One xDS resource, ready for the wire.
 *
 * Immutable and shared between proxies: equal content is the same object wherever possible, so identity is a fast "unchanged".
 */
export interface EncodedResource {
  readonly type: ResourceType;
  readonly name: string;
  /** Content hash of `bytes`; the same content has the same version in every process and after every restart. */
  readonly version: string;
  /** The serialized message (what goes in Any.value), without its type URL. */
  readonly bytes: Uint8Array;
  /** What must be usable first, sorted by type and name; a cluster with EDS refers to its own EDS resource and its SDS secrets. */
  readonly references: readonly ResourceReference[];
  /** "VirtualService shop/web" and the like: the objects this came from, for NACK messages; sorted. */
  readonly sources: readonly string[];
  /**
   * Route configurations only: the encoded `virtual_hosts` entries whose concatenation after `head` is `bytes`.
   * The planner may compose another valid RouteConfiguration from them, to hold back one host and not the others.
   */
  readonly composite?: CompositeResource;
}

export interface CompositeResource {
  /** The message's fields other than the repeated parts, serialized. */
  readonly head: Uint8Array;
  readonly parts: readonly ResourcePart[];
}

export interface ResourcePart {
  /** The virtual host's name, unique in the composite. */
  readonly name: string;
  /** The virtual host's domains, sorted; no domain may stand in two parts of one composite (Envoy would refuse all of it). */
  readonly domains: readonly string[];
  readonly version: string;
  /** Tag, length and message: ready for concatenation. */
  readonly bytes: Uint8Array;
  readonly references: readonly ResourceReference[];
  readonly sources: readonly string[];
}

/** All resources of one type for one proxy; an unchanged set is the same object as before. */
export type ResourceSet = ReadonlyMap<string, EncodedResource>;

/**
 * The traffic splits in motion, and a proxy's settings that change often: RTDS keys with integers ≥ 0.
 *
 * All members of a split are always present and sum to 10,000 (Envoy validates neither). Their keys are
 * `<runtime_key_prefix>.<cluster name>`; those of settings begin as `isSettingKey` says.
 */
export type RuntimeLayer = ReadonlyMap<string, number>;

/** Whether a runtime key is a setting of its own (telemetry's, Envoy's own for tracing) and no member of a split. */
export function isSettingKey(key: string): boolean {
  return key.startsWith("lateen.") || key.startsWith("tracing.");
}

export interface ProxyConfig {
  readonly clusters: ResourceSet;
  readonly endpoints: ResourceSet;
  readonly listeners: ResourceSet;
  readonly routes: ResourceSet;
  readonly secrets: ResourceSet;
  readonly extensions: ResourceSet;
  readonly runtime: RuntimeLayer;
  /** How long removed clusters stay after the last route that named them was removed: the longest route timeout with its retries. */
  readonly removalGrace: DurationMs;
}

/** Of a proxy that has nothing. */
export const emptyConfig: ProxyConfig = {
  clusters: new Map(),
  endpoints: new Map(),
  listeners: new Map(),
  routes: new Map(),
  secrets: new Map(),
  extensions: new Map(),
  runtime: new Map(),
  removalGrace: durationMs(0),
};

/**
 * Whether a setting's value is a share in hundredths of a percent. Envoy takes a bare number for whole percent, so 100 would be everything: such a
 * value goes as a FractionalPercent.
 */
export function isShareKey(key: string): boolean {
  return key.startsWith("tracing.");
}

/** Name of the one RTDS layer in every bootstrap. */
export const runtimeLayerName = "weights";
