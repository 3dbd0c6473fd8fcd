// The bootstrap holds only what Envoy's schema knows: it is re-encoded here, since the node makes it without the codec.

import { describe, expect, it } from "vitest";
import { BootstrapSchema } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { DownstreamConnectionsConfigSchema } from "#envoy/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { registerAnyTypes } from "../envoy/any.ts";
import { decodeJson, encodeJson } from "../envoy/codec.ts";
import { bootstrapOf } from "./bootstrap.ts";

const options = { podName: "web-1", namespace: "shop", xdsPath: "/run/x.sock", adminPath: "/run/admin.sock" } as const;

describe("bootstrapOf", () => {
  it.each(["sidecar", "gateway"] as const)("re-encodes with Envoy's schema: %s", (kind) => {
    registerAnyTypes(DownstreamConnectionsConfigSchema, HttpProtocolOptionsSchema);
    const bootstrap = bootstrapOf({ ...options, kind });
    const decoded = decodeJson(BootstrapSchema, encodeJson(BootstrapSchema, bootstrap));
    expect(decoded).toMatchObject({ node: { id: "web-1.shop", metadata: { KIND: kind } } });
    expect(decoded).toMatchObject({ dynamicResources: { adsConfig: { setNodeOnFirstMessageOnly: true } } });
  });

  it("marks the proxy's connections unless there are no packet rules", () => {
    expect(bootstrapOf({ ...options, kind: "sidecar" }).clusterManager).not.toEqual({});
    expect(bootstrapOf({ ...options, kind: "sidecar", marked: false }).clusterManager).toEqual({});
  });
});
