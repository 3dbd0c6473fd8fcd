// A proxy's configuration as static resources of one bootstrap, so that `envoy --mode validate` reads every byte of it without a server.

import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { ClusterLoadAssignmentSchema } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { any } from "../../src/envoy/any.ts";
import { decodeJson } from "../../src/envoy/codec.ts";
import type { ProxyConfig } from "../../src/envoy/config.ts";

/** EDS becomes a load assignment, RDS an inline route configuration, ECDS an inline filter; everything else stays as it is. */
export function staticBootstrap(config: ProxyConfig): BootstrapJson {
  const clusters = [...config.clusters.values()].map(({ name, bytes }) => {
    const { edsClusterConfig, ...cluster } = decodeJson(ClusterSchema, bytes);
    const endpoints = config.endpoints.get(name);
    if (edsClusterConfig === undefined) return cluster;
    if (endpoints === undefined) throw new Error(`${name} has no endpoints resource`);
    return { ...cluster, type: "STATIC" as const, loadAssignment: decodeJson(ClusterLoadAssignmentSchema, endpoints.bytes) };
  });
  const listeners = [...config.listeners.values()].map(({ bytes }) => decodeJson(ListenerSchema, bytes, undefined));
  const inlined: unknown = JSON.parse(JSON.stringify(listeners), (_, value: unknown) =>
    withInlineExtension(withInlineRoutes(value, config), config),
  );
  if (!Array.isArray(inlined)) throw new Error("listeners are a list");
  // Secrets stay names: to ask for them needs a node and a control plane, which is not asked while validating.
  return {
    node: { id: "test", cluster: "test" },
    dynamicResources: {
      adsConfig: { apiType: "DELTA_GRPC", transportApiVersion: "V3", grpcServices: [{ envoyGrpc: { clusterName: "xds" } }] },
    },
    staticResources: { clusters: [xdsCluster, ...clusters], listeners: inlined },
  };
}

const xdsCluster: ClusterJson = {
  name: "xds",
  type: "STATIC",
  typedExtensionProtocolOptions: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any(HttpProtocolOptionsSchema, {
      explicitHttpConfig: { http2ProtocolOptions: {} },
    }),
  },
};

function withInlineRoutes(value: unknown, { routes }: ProxyConfig): unknown {
  if (typeof value !== "object" || value === null || !("rds" in value)) return value;
  const { rds, ...rest } = value;
  const name = typeof rds === "object" && rds !== null && "routeConfigName" in rds ? String(rds.routeConfigName) : "";
  const resource = routes.get(name);
  if (resource === undefined) throw new Error(`route configuration ${name} does not exist`);
  return { ...rest, routeConfig: decodeJson(RouteConfigurationSchema, resource.bytes) };
}

function withInlineExtension(value: unknown, { extensions }: ProxyConfig): unknown {
  if (typeof value !== "object" || value === null || !("configDiscovery" in value)) return value;
  const name = "name" in value ? String(value.name) : "";
  const resource = extensions.get(name);
  if (resource === undefined) throw new Error(`extension ${name} does not exist`);
  return { name, typedConfig: decodeJson(TypedExtensionConfigSchema, resource.bytes).typedConfig };
}
