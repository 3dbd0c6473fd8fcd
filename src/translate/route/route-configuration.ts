// A RouteTable → Envoy's RouteConfiguration, as encoded virtual hosts behind a head. Each virtual host is encoded once for all
// proxies that see it alike, and stays the same object as long as its RouteHost does.

import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { resourceName } from "../../api/resource.ts";
import { encodeJson } from "../../envoy/codec.ts";
import { composeRoutes } from "../../envoy/composite.ts";
import type { EncodedResource, ResourcePart } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { memoObject, sameItems } from "../../model/memo.ts";
import type { RouteClient, RouteHost, RouteTable } from "../../model/routes.ts";
import { cohortPerRoute } from "../filter/cohort-filter.ts";
import { catchAllVirtualHost } from "./catch-all.ts";
import { clustersOf } from "./clusters-of.ts";
import { maxDirectResponseBodyBytes } from "./direct-response.ts";
import { nameClaims } from "./domains.ts";
import { misdirectedVirtualHost } from "./misdirected.ts";
import type { RouteSettings } from "./settings.ts";
import type { VirtualHostContext } from "./virtual-host.ts";
import { variantOf, virtualHost } from "./virtual-host.ts";

/** Everything of a route configuration but its name and its virtual hosts. */
export const routeConfigurationHead = {
  // A cluster that is not there yet must give 503 for its requests, not a NACK for all hosts.
  validateClusters: false,
  maxDirectResponseBodySizeBytes: maxDirectResponseBodyBytes,
  ignorePortInHostMatching: true,
} as const satisfies Omit<RouteConfigurationJson, "name" | "virtualHosts">;

/** The head of one table: at gateways it makes users known while releases go by them. */
function headOf({ cohorts = [] }: RouteTable): Omit<RouteConfigurationJson, "name" | "virtualHosts"> {
  return cohorts.length === 0 ? routeConfigurationHead : { ...routeConfigurationHead, typedPerFilterConfig: cohortPerRoute(cohorts) };
}

/** The whole message as JSON: for goldens, simulations and people; proxies get `RouteEncoder`'s. */
export function routeConfiguration(table: RouteTable, client: RouteClient, settings: RouteSettings): RouteConfigurationJson {
  const context = { client, settings, claims: nameClaims(table.hosts) };
  const hosts = sortedHosts(table).flatMap((host) => virtualHost(host, context) ?? []);
  return { name: table.name, ...headOf(table), virtualHosts: [...hosts, ...fixedVirtualHosts(table, settings)] };
}

/** Encodes route tables under one set of mesh-wide settings; remembers by identity of RouteHosts, so keep one per mesh configuration. */
export class RouteEncoder {
  readonly #cache: EncodeCache;
  readonly #settings: RouteSettings;
  /** Per host and variant; null is a host that does not exist for such clients. */
  readonly #parts = new WeakMap<RouteHost, Map<string, ResourcePart | null>>();
  readonly #whole = new WeakMap<RouteTable, WeakMap<RouteClient, EncodedResource>>();
  /** By first part: the last few configurations that begin with it. */
  readonly #configurations = new WeakMap<ResourcePart, EncodedResource[]>();

  constructor(cache: EncodeCache, settings: RouteSettings) {
    this.#cache = cache;
    this.#settings = settings;
  }

  /** The route configuration that this client gets for the table; the same object for the same two objects. */
  routeConfiguration(table: RouteTable, client: RouteClient): EncodedResource {
    const byClient = this.#whole.get(table) ?? new WeakMap<RouteClient, EncodedResource>();
    this.#whole.set(table, byClient);
    const made = byClient.get(client) ?? this.#make(table, client);
    byClient.set(client, made);
    return made;
  }

  #make(table: RouteTable, client: RouteClient): EncodedResource {
    const context = { client, settings: this.#settings, claims: nameClaims(table.hosts) };
    const hosts = sortedHosts(table).flatMap((host) => this.#part(host, context) ?? []);
    const fixed = fixedVirtualHosts(table, this.#settings).map((json) => this.#encode(json, []));
    return this.#compose(table, [...hosts, ...fixed]);
  }

  #part(host: RouteHost, context: VirtualHostContext): ResourcePart | undefined {
    const variant = variantOf(host, context);
    const variants = this.#parts.get(host) ?? new Map<string, ResourcePart | null>();
    const known = variants.get(variant);
    if (known !== undefined) return known ?? undefined;
    const json = virtualHost(host, context);
    const part = json === undefined ? undefined : this.#encode(json, sourcesOf(host));
    variants.set(variant, part ?? null);
    this.#parts.set(host, variants);
    return part;
  }

  #encode(json: VirtualHostJson, sources: readonly string[]): ResourcePart {
    return this.#cache.part(json, { references: clustersOf(json).map((name) => ({ type: "cds", name })), sources });
  }

  /** Comparing a thousand references costs microseconds; hashing them all per proxy would cost milliseconds. */
  #compose(table: RouteTable, parts: readonly ResourcePart[]): EncodedResource {
    const first = parts[0];
    const { name } = table;
    const head = encodeJson(RouteConfigurationSchema, { name, ...headOf(table) });
    const known = first === undefined ? [] : (this.#configurations.get(first) ?? []);
    const same = known.find(
      ({ composite }) => composite !== undefined && sameBytes(composite.head, head) && sameItems(composite.parts, parts),
    );
    if (same !== undefined) return same;
    const made = composeRoutes(name, head, parts);
    if (first !== undefined) this.#configurations.set(first, [made, ...known].slice(0, keptConfigurations));
    return made;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** The virtual hosts that no resource stands behind. */
function fixedVirtualHosts(table: RouteTable, settings: RouteSettings): readonly VirtualHostJson[] {
  return [misdirectedVirtualHost(table), catchAllVirtualHost(table, settings)].filter((host) => host !== undefined);
}

/** Enough for the client variants of one table; what falls out is composed again. */
const keptConfigurations = 8;

function sortedHosts({ hosts }: RouteTable): readonly RouteHost[] {
  return sortedByName(hosts);
}

const sortedByName = memoObject((hosts: readonly RouteHost[]) => [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1)));

function sourcesOf(host: RouteHost): string[] {
  return [...host.rules, ...(host.defaultRules ?? [])].flatMap(({ virtualService, release }) => [
    ...(release?.isDefault === true ? [] : [resourceName(virtualService)]),
    ...(release?.sources ?? []),
  ]);
}
