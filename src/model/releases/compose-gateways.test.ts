// Releases laid over the routes of a gateway: beside other services' routes of the same host.

import { describe, expect, test } from "vitest";
import { audience, releasedWorld, releaseOf, routesOf, serviceYaml, tableOf } from "../../../test/harness/release-world.ts";
import { istioYaml } from "../../../test/harness/traffic-yaml.ts";
import type { ReleaseRoute } from "./release-route.ts";

const catalog = serviceYaml("catalog", ["v1", "v2", "v3"]);
const stock = serviceYaml("stock", ["v1", "v2"]);
const beta = { audience: audience({ headers: { "x-beta": { exact: "yes" } } }), arm: 1 };

describe("at gateways", () => {
  const gateway = `
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: shop, uid: gw, labels: {istio: ingressgateway}, annotations: {inject.istio.io/templates: gateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
status: {podIP: 198.18.251.1, conditions: [{type: Ready, status: "True"}]}
---
${istioYaml("Gateway", "shop/gateway", {
  selector: { istio: "ingressgateway" },
  servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
})}`;
  const bound = (name: string, http: readonly object[]) =>
    istioYaml("VirtualService", `shop/${name}`, { hosts: ["shop.example"], gateways: ["gateway"], http });
  const web = bound("web", [{ route: [{ destination: { host: "catalog" } }], rewrite: { uri: "/in" } }]);
  const api = bound("xapi", [{ match: [{ uri: { prefix: "/api" } }], route: [{ destination: { host: "stock" } }] }]);
  const laid = [{ ...releaseOf("catalog", 1000), matches: [beta], preview: { host: "preview-catalog", arm: 1 } }];

  test("what is chosen for one version comes behind others' narrower routes", () => {
    const world = releasedWorld([catalog, stock, gateway, web, api], laid);
    expect(routesOf(world, "shop.example", "gw.shop", "http.80")).toEqual([
      "/api* → stock",
      "/* [x-beta] → catalog/v2",
      "/* → catalog/v1:9000 catalog/v2:1000",
    ]);
  });

  test("a preview is shown by the routes that lead to the service, and by none that don't", () => {
    const world = releasedWorld([catalog, stock, gateway, web, api], laid);
    const host = "preview-catalog.shop.svc.cluster.local";
    expect(routesOf(world, host, "gw.shop", "http.80")).toEqual(["/* → catalog/v2"]);
    const [route] = tableOf(world, "gw.shop", "http.80").virtualHosts?.find(({ domains }) => domains?.includes(host))?.routes ?? [];
    expect(route?.route?.regexRewrite ?? route?.route?.prefixRewrite).toBeDefined();
    const other = releasedWorld([catalog, stock, gateway, api], laid);
    expect(routesOf(other, host, "gw.shop", "http.80")).toEqual([]);
  });

  test("users are made known as long as some release goes by users", () => {
    const filters = (releases: readonly ReleaseRoute[]) =>
      Object.keys(tableOf(releasedWorld([catalog, gateway, web], releases), "gw.shop", "http.80").typedPerFilterConfig ?? {});
    expect(filters(laid)).toEqual([]);
    expect(filters([{ ...releaseOf("stock", 0), sticky: { cookie: "who" } }])).toEqual(["lateen.cohort"]);
  });
});
