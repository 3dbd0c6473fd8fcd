// Envoys with a configuration written by hand, which know no control plane: the least a proxy can be, and a server.

import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any } from "../../src/envoy/any.ts";

/** The port of every endpoint of a world. */
const endpointPort = 8080;

/** A proxy with one route to one endpoint. */
export function minimalBootstrap(
  adminPath: string,
  { port, endpoint }: { readonly port: number; readonly endpoint: string },
): BootstrapJson {
  const route = { match: { prefix: "/" }, route: { cluster: "endpoint" } };
  const loadAssignment = {
    clusterName: "endpoint",
    endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: endpoint, portValue: endpointPort } } } }] }],
  };
  return {
    node: { id: "minimal", cluster: "minimal" },
    admin: { address: { pipe: { path: adminPath } } },
    staticResources: {
      listeners: [listenerJson("127.0.0.1", port, [route])],
      clusters: [{ name: "endpoint", type: "STATIC", connectTimeout: "1s", loadAssignment }],
    },
  };
}

/** A server that answers everything by itself, and costs less than any Node server. */
export function backendBootstrap(adminPath: string, addresses: readonly string[], body = "ok"): BootstrapJson {
  const route = { match: { prefix: "/" }, directResponse: { status: 200, body: { inlineString: body } } };
  return {
    node: { id: "backend", cluster: "backend" },
    admin: { address: { pipe: { path: adminPath } } },
    staticResources: { listeners: addresses.map((address) => listenerJson(address, endpointPort, [route])) },
  };
}

function listenerJson(address: string, portValue: number, routes: object[]) {
  const manager = any(HttpConnectionManagerSchema, {
    statPrefix: "plain",
    routeConfig: { name: "plain", virtualHosts: [{ name: "all", domains: ["*"], routes }] },
    httpFilters: [{ name: "envoy.filters.http.router", typedConfig: any(RouterSchema, {}) }],
  });
  return {
    name: `${address}_${portValue}`,
    address: { socketAddress: { address, portValue } },
    filterChains: [{ filters: [{ name: "http", typedConfig: manager }] }],
  };
}
