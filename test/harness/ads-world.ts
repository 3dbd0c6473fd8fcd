// Real Envoy resources for xDS tests, small and by hand: clusters with EDS, one HTTP listener with RDS, virtual hosts.

import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { FileAccessLogSchema } from "#envoy/envoy/extensions/access_loggers/file/v3/file_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any } from "../../src/envoy/any.ts";
import type { EncodedResource, ProxyConfig, ResourcePart } from "../../src/envoy/config.ts";
import { EncodeCache } from "../../src/envoy/encode-cache.ts";
import { durationMs } from "../../src/lib/duration.ts";

const ads = { ads: {}, resourceApiVersion: "V3" } as const;

export interface TestCluster {
  readonly name: string;
  /** Ports on 127.0.0.1. */
  readonly ports: readonly number[];
  /** Any change of it changes the cluster. */
  readonly connectTimeout?: string;
  /** Makes a cluster that Envoy refuses. */
  readonly isBad?: boolean;
}

export interface TestHost {
  readonly domain: string;
  /** Cluster name to weight; the weights sum to 10,000. */
  readonly split: Readonly<Record<string, number>>;
  /** Any change of it changes the virtual host. */
  readonly header?: string;
  readonly runtimeKeyPrefix?: string;
}

export interface TestWorld {
  readonly clusters: readonly TestCluster[];
  readonly hosts: readonly TestHost[];
  readonly runtime?: ReadonlyMap<string, number>;
  readonly listenPort?: number;
  readonly accessLog?: string;
  readonly removalGraceMs?: number;
}

/** Turns worlds into configurations; equal parts become the same objects. */
export class AdsWorld {
  readonly #cache = new EncodeCache();

  configOf(world: TestWorld): ProxyConfig {
    return {
      clusters: byName(world.clusters.map((cluster) => this.#cluster(cluster))),
      endpoints: byName(world.clusters.map((cluster) => this.#endpoints(cluster))),
      listeners: byName([this.#listener(world)]),
      routes: byName([
        this.#cache.routes({ name: "80", head: { validateClusters: false }, parts: world.hosts.map((host) => this.#virtualHost(host)) }),
      ]),
      secrets: new Map(),
      extensions: new Map(),
      runtime: world.runtime ?? new Map(),
      removalGrace: durationMs(world.removalGraceMs ?? 0),
    };
  }

  #cluster({ name, connectTimeout = "1s", isBad = false }: TestCluster): EncodedResource {
    const lbPolicy = isBad ? "CLUSTER_PROVIDED" : "ROUND_ROBIN";
    const json = { name, type: "EDS", connectTimeout, edsClusterConfig: { edsConfig: ads }, lbPolicy } as const;
    return this.#cache.resource({
      type: "cds",
      name,
      schema: ClusterSchema,
      json,
      references: [{ type: "eds", name }],
      sources: [`Service test/${name}`],
    });
  }

  #endpoints({ name, ports }: TestCluster): EncodedResource {
    const lbEndpoints = ports.map((portValue) => ({ endpoint: { address: { socketAddress: { address: "127.0.0.1", portValue } } } }));
    return this.#cache.resource({
      type: "eds",
      name,
      schema: ClusterLoadAssignmentSchema,
      json: { clusterName: name, endpoints: [{ lbEndpoints }] },
    });
  }

  #listener({ listenPort = 0, accessLog }: TestWorld): EncodedResource {
    const format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %REQ(:AUTHORITY)% %UPSTREAM_CLUSTER%\n";
    const log =
      accessLog === undefined
        ? []
        : [
            {
              name: "file",
              typedConfig: any(FileAccessLogSchema, { path: accessLog, logFormat: { textFormatSource: { inlineString: format } } }),
            },
          ];
    const manager = any(HttpConnectionManagerSchema, {
      statPrefix: "test",
      rds: { routeConfigName: "80", configSource: ads },
      accessLog: log,
      httpFilters: [{ name: "envoy.filters.http.router", typedConfig: any(RouterSchema, {}) }],
    });
    return this.#cache.resource({
      type: "lds",
      name: "test",
      schema: ListenerSchema,
      json: {
        name: "test",
        address: { socketAddress: { address: "127.0.0.1", portValue: listenPort } },
        filterChains: [{ filters: [{ name: "http", typedConfig: manager }] }],
      },
      references: [{ type: "rds", name: "80" }],
    });
  }

  #virtualHost({ domain, split, header, runtimeKeyPrefix }: TestHost): ResourcePart {
    const clusters = Object.entries(split).map(([name, weight]) => ({ name, weight }));
    const weightedClusters = runtimeKeyPrefix === undefined ? { clusters } : { clusters, runtimeKeyPrefix };
    const responseHeadersToAdd = header === undefined ? [] : [{ header: { key: "x-version", value: header } }];
    const routes = [{ match: { prefix: "/" }, route: { weightedClusters, timeout: "5s" }, responseHeadersToAdd }];
    const references = Object.keys(split).map((name) => ({ type: "cds", name }) as const);
    return this.#cache.part({ name: domain, domains: [domain], routes }, { references, sources: [`VirtualService test/${domain}`] });
  }
}

function byName(resources: readonly EncodedResource[]): ReadonlyMap<string, EncodedResource> {
  return new Map(resources.map((resource) => [resource.name, resource]));
}
