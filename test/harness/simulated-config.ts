// Configurations for the simulated Envoy: resources whose bytes are lines of JSON that say what they name.

import { composeRoutes } from "../../src/envoy/composite.ts";
import type { EncodedResource, ProxyConfig, ResourcePart, ResourceReference, ResourceSet } from "../../src/envoy/config.ts";
import { durationMs } from "../../src/lib/duration.ts";
import { contentHash } from "../../src/lib/hash.ts";

/** What one line of a resource's bytes says. */
export interface ContentLine {
  readonly name: string;
  readonly version: number;
  /** Clusters it sends requests to. */
  readonly clusters: readonly string[];
  /** Route configurations it uses. */
  readonly routes: readonly string[];
  /** Of clusters only: secrets they need; none when unset. */
  readonly secrets?: readonly string[];
  /** The simulated Envoy refuses it. */
  readonly bad: boolean;
}

/** A configuration as a generator draws it. */
export interface ConfigDraw {
  readonly clusters: readonly {
    readonly name: string;
    /** Says which secrets it needs, too: the simulated Envoy goes by the version. */
    readonly version: number;
    readonly bad: boolean;
    readonly secrets?: readonly string[];
  }[];
  readonly endpointVersion: number;
  /** Of all secrets that clusters need; 0 when unset. */
  readonly secretVersion?: number;
  readonly listeners: readonly ContentLine[];
  readonly hosts: readonly (ContentLine & { readonly table: string; readonly domain: string })[];
  readonly weights: ReadonlyMap<string, number>;
  readonly removalGrace: number;
}

const text = new TextEncoder();

/** The lines of a resource; of a route configuration the first is its head. */
export function contentOf({ type, bytes }: EncodedResource): readonly ContentLine[] {
  if (type === "rtds") return [];
  const lines = new TextDecoder().decode(bytes).trim().split("\n");
  return lines.map((line): ContentLine => JSON.parse(line));
}

function encoded(line: ContentLine): Uint8Array {
  const { name, version, clusters, routes, bad, secrets } = line;
  return text.encode(`${JSON.stringify({ name, version, clusters, routes, bad, secrets })}\n`);
}

function clusterReferences(line: ContentLine): readonly ResourceReference[] {
  return line.clusters.map((name) => ({ type: "cds", name }));
}

function resource(type: EncodedResource["type"], line: ContentLine, references: readonly ResourceReference[]): EncodedResource {
  const bytes = encoded(line);
  return { type, name: line.name, version: contentHash(bytes), bytes, references, sources: [`Test ${line.name}`] };
}

function setOf(resources: readonly EncodedResource[]): ResourceSet {
  return new Map(resources.map((each) => [each.name, each]));
}

/** The configuration of a draw; part of a route table is a virtual host with one domain. */
export function configOf(draw: ConfigDraw): ProxyConfig {
  const blank = { clusters: [], routes: [], bad: false };
  const secretNames = [...new Set(draw.clusters.flatMap(({ secrets = [] }) => secrets))];
  const secrets = secretNames.map((name) => resource("sds", { ...blank, name, version: draw.secretVersion ?? 0 }, []));
  const clusters = draw.clusters.map((each) =>
    resource("cds", { ...blank, ...each }, [
      { type: "eds", name: each.name },
      ...(each.secrets ?? []).map((name) => ({ type: "sds", name }) as const),
    ]),
  );
  const endpoints = draw.clusters.map(({ name }) => resource("eds", { ...blank, name, version: draw.endpointVersion }, []));
  const listeners = draw.listeners.map((line) =>
    resource("lds", line, [...clusterReferences(line), ...line.routes.map((name) => ({ type: "rds", name }) as const)]),
  );
  const tables = [...new Set(draw.listeners.flatMap(({ routes }) => routes))].sort();
  const routes = tables.map((table) => {
    const parts = draw.hosts.filter((host) => host.table === table).map(partOf);
    return composeRoutes(table, encoded({ ...blank, name: table, version: 0 }), parts);
  });
  return {
    clusters: setOf(clusters),
    endpoints: setOf(endpoints),
    listeners: setOf(listeners),
    routes: setOf(routes),
    secrets: setOf(secrets),
    extensions: new Map(),
    runtime: draw.weights,
    removalGrace: durationMs(draw.removalGrace),
  };
}

function partOf(host: ConfigDraw["hosts"][number]): ResourcePart {
  const bytes = encoded(host);
  const references = clusterReferences(host);
  return { name: host.name, domains: [host.domain], version: contentHash(bytes), bytes, references, sources: [`Host ${host.name}`] };
}
