// The bootstrap holds only what Envoy's schema knows: it is re-encoded here, since the node makes it without the codec.

import { describe, expect, it } from "vitest";
import { BootstrapSchema } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { CredentialInjectorSchema } from "#envoy/envoy/extensions/filters/http/credential_injector/v3/credential_injector_pb.js";
import { UpstreamCodecSchema } from "#envoy/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.js";
import { GenericSchema } from "#envoy/envoy/extensions/http/injected_credentials/generic/v3/generic_pb.js";
import { StatFullNameMatchInputSchema } from "#envoy/envoy/extensions/matching/common_inputs/stats/v3/stats_pb.js";
import { DownstreamConnectionsConfigSchema } from "#envoy/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js";
import { SinkConfig_DropActionSchema, SinkConfigSchema } from "#envoy/envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry_pb.js";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { UpstreamTlsContextSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { registerAnyTypes } from "../envoy/any.ts";
import { decodeJson, encodeJson } from "../envoy/codec.ts";
import { bootstrapOf } from "./bootstrap.ts";
import { rootsSecretFile, tokenSecretFile } from "./control-plane-cluster.ts";

const options = { podName: "web-1", namespace: "shop", xdsPath: "/run/x.sock", adminPath: "/run/admin.sock" } as const;

registerAnyTypes(SinkConfigSchema, SinkConfig_DropActionSchema, StatFullNameMatchInputSchema);

describe("bootstrapOf", () => {
  it.each(["sidecar", "gateway"] as const)("re-encodes with Envoy's schema: %s", (kind) => {
    registerAnyTypes(DownstreamConnectionsConfigSchema, HttpProtocolOptionsSchema);
    const bootstrap = bootstrapOf({ ...options, kind });
    const decoded = decodeJson(BootstrapSchema, encodeJson(BootstrapSchema, bootstrap));
    expect(decoded).toMatchObject({ node: { id: "web-1.shop", metadata: { KIND: kind } } });
    expect(decoded).toMatchObject({ dynamicResources: { adsConfig: { setNodeOnFirstMessageOnly: true } } });
  });

  it("re-encodes with Envoy's schema: TLS and token", () => {
    registerAnyTypes(
      DownstreamConnectionsConfigSchema,
      HttpProtocolOptionsSchema,
      CredentialInjectorSchema,
      GenericSchema,
      UpstreamCodecSchema,
      UpstreamTlsContextSchema,
      SecretSchema,
    );
    const { xdsPath: _, ...proxy } = options;
    const xdsTls = {
      host: "10.0.0.1",
      port: 15012,
      serverSpiffeId: "spiffe://td/x",
      tokenSecretPath: "/t.json",
      rootsSecretPath: "/r.json",
    };
    const clusterAt = (host: string) => {
      const bootstrap = bootstrapOf({ ...proxy, kind: "sidecar", xdsTls: { ...xdsTls, host } });
      return decodeJson(BootstrapSchema, encodeJson(BootstrapSchema, bootstrap));
    };
    expect(clusterAt("10.0.0.1")).toMatchObject({
      staticResources: { clusters: [{ transportSocket: { name: "envoy.transport_sockets.tls" } }] },
    });
    expect(clusterAt("xds.mesh")).toMatchObject({ staticResources: { clusters: [{ type: "STRICT_DNS" }] } });
    const file = { path: "/token/token", watchedFolder: "/token" };
    for (const { resources } of [tokenSecretFile(file), rootsSecretFile(file)]) {
      const [{ "@type": _type, ...secret } = { "@type": "" }] = resources;
      expect(() => encodeJson(SecretSchema, secret)).not.toThrow();
    }
  });

  it("marks the proxy's connections unless there are no packet rules", () => {
    expect(bootstrapOf({ ...options, kind: "sidecar" }).clusterManager).not.toEqual({});
    expect(bootstrapOf({ ...options, kind: "sidecar", marked: false }).clusterManager).toEqual({});
  });
});
