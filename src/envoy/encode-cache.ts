// Encodes Envoy objects once: equal content gives the very same EncodedResource, so "unchanged" is a comparison of references.
// Entries are held weakly: what no proxy configuration holds any more is collected.

import type { DescMessage, MessageJsonType } from "@bufbuild/protobuf";
import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { VirtualHostSchema } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { contentHash } from "../lib/hash.ts";
import { encodeJson } from "./codec.ts";
import { composeRoutes, mergedReferences, virtualHostEntry } from "./composite.ts";
import type { EncodedResource, ResourcePart, ResourceReference, ResourceType } from "./config.ts";
import { WeakCache } from "./weak-cache.ts";

/** What a resource has besides its bytes. */
export interface Relations {
  /** What must be usable first; any order, duplicates allowed. */
  readonly references?: readonly ResourceReference[];
  /** "VirtualService shop/web" and the like; any order, duplicates allowed. */
  readonly sources?: readonly string[];
}

interface ResourceInput<Desc extends DescMessage> extends Relations {
  readonly type: ResourceType;
  readonly name: string;
  readonly schema: Desc;
  readonly json: MessageJsonType<Desc>;
}

interface RoutesInput {
  readonly name: string;
  /** Everything but the virtual hosts. */
  readonly head: Omit<RouteConfigurationJson, "name" | "virtualHosts">;
  readonly parts: readonly ResourcePart[];
}

export class EncodeCache {
  readonly #resources = new WeakCache<EncodedResource>();
  readonly #parts = new WeakCache<ResourcePart>();
  readonly #bytes = new WeakCache<Uint8Array>();

  /** How many resources and parts are held; for tests and metrics. */
  get size(): number {
    return this.#resources.size + this.#parts.size;
  }

  /** A cluster, endpoint set, listener, secret or extension. Throws MeshError "internal" when the JSON does not fit. */
  resource<Desc extends DescMessage>(input: ResourceInput<Desc>): EncodedResource {
    const { type, name, schema, json } = input;
    const relations = normalized(input);
    return this.#resources.get(keyOf(type, name, json, relations), () => {
      // Most listeners and routes of one kind of pod differ only in where they come from.
      const bytes = this.#bytes.get(keyOf(schema.typeName, json), () => encodeJson(schema, json));
      return { type, name, version: contentHash(bytes), bytes, ...relations };
    });
  }

  /** One virtual host of a route configuration. */
  part(virtualHost: VirtualHostJson, input: Relations): ResourcePart {
    const relations = normalized(input);
    return this.#parts.get(keyOf(virtualHost, relations), () => {
      const bytes = virtualHostEntry(encodeJson(VirtualHostSchema, virtualHost));
      const domains = [...(virtualHost.domains ?? [])].sort();
      return { name: virtualHost.name ?? "", domains, version: contentHash(bytes), bytes, ...relations };
    });
  }

  /** A route configuration with its virtual hosts in the order given. */
  routes(input: RoutesInput): EncodedResource {
    const { name, head, parts } = input;
    const versions = parts.map((part) => [part.name, part.version, part.references, part.sources]);
    return this.#resources.get(keyOf("rds", name, head, versions), () =>
      composeRoutes(name, encodeJson(RouteConfigurationSchema, { name, ...head }), parts),
    );
  }
}

function keyOf(...content: readonly unknown[]): string {
  return contentHash(JSON.stringify(content));
}

function normalized(relations: Relations): Required<Relations> {
  return {
    references: mergedReferences(relations.references ?? []),
    sources: [...new Set(relations.sources ?? [])].sort(),
  };
}
