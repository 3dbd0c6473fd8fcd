// A proxy's configuration as static resources of one bootstrap, so that `envoy --mode validate` reads every byte of it without a server.

import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { ClusterLoadAssignmentSchema } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { decodeJson } from "../../src/envoy/codec.ts";
import type { ProxyConfig } from "../../src/envoy/config.ts";
import { tlsCertificateSecret, validationContextSecret } from "../../src/translate/secret/secret.ts";
import { testAuthority } from "./test-identities.ts";

/**
 * EDS becomes a load assignment, RDS an inline route configuration, ECDS an inline filter, SDS a static secret; everything else stays as it is, but
 * scopes of stats aren't shared: Envoy 1.40 crashes at the end of a validation otherwise, and only then.
 */
export function staticBootstrap(config: ProxyConfig): BootstrapJson {
  const clusters = [...config.clusters.values()].map(({ name, bytes }) => {
    const { edsClusterConfig, ...cluster } = decodeJson(ClusterSchema, bytes);
    const endpoints = config.endpoints.get(name);
    if (edsClusterConfig === undefined) return cluster;
    if (endpoints === undefined) throw new Error(`${name} has no endpoints resource`);
    return { ...cluster, type: "STATIC" as const, loadAssignment: decodeJson(ClusterLoadAssignmentSchema, endpoints.bytes) };
  });
  const listeners = [...config.listeners.values()].map(({ bytes }) => decodeJson(ListenerSchema, bytes, undefined));
  const inlined: unknown = JSON.parse(JSON.stringify(listeners), (key, value: unknown) =>
    key === "sharingName" ? undefined : withInlineExtension(withInlineRoutes(value, config), config),
  );
  if (!Array.isArray(inlined)) throw new Error("listeners are a list");
  return withStaticSecrets({ staticResources: { clusters, listeners: inlined } });
}

/** SDS becomes secrets of the bootstrap: Envoy crashes when it validates a static cluster whose own socket asks a control plane for one. */
function withStaticSecrets(bootstrap: BootstrapJson): BootstrapJson {
  const certificates = new Set<string>();
  const trusted = new Set<string>();
  const local = (value: unknown, names: Set<string>) => {
    if (typeof value !== "object" || value === null || !("name" in value)) return value;
    names.add(String(value.name));
    return { name: value.name };
  };
  const parsed: BootstrapJson = JSON.parse(JSON.stringify(bootstrap), (key, value: unknown) => {
    if (key === "tlsCertificateSdsSecretConfigs" && Array.isArray(value)) return value.map((item: unknown) => local(item, certificates));
    return key === "validationContextSdsSecretConfig" ? local(value, trusted) : value;
  });
  const { certificatePem, issue } = testAuthority();
  const leaf = issue({ uri: "spiffe://cluster.local/ns/test/sa/test" });
  const secrets = [
    ...[...certificates].map((name) => tlsCertificateSecret(name, { chainPem: leaf.certificatePem, keyPem: leaf.keyPem })),
    ...[...trusted].map((name) => validationContextSecret(name, { rootsPem: certificatePem })),
  ];
  return { ...parsed, staticResources: { ...parsed.staticResources, secrets } };
}

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
