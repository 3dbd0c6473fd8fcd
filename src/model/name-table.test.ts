import { describe, expect, test } from "vitest";
import { resourcesOf, worldOf } from "../../test/harness/world.ts";
import { externalHosts, nameTableOf } from "./name-table.ts";

const pod = (
  name: string,
  ip: string,
  more: { readonly labels?: string; readonly annotations?: string; readonly namespace?: string } = {},
) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${more.namespace ?? "shop"}, uid: u-${name}, labels: {${more.labels ?? ""}}, annotations: {${more.annotations ?? ""}}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}
status: {podIP: ${ip}, conditions: [{type: Ready, status: "True"}]}
---`;

const text = `
${pod("web-1", "198.18.0.11", { labels: "app: web" })}
${pod("db-1", "198.18.0.12", { labels: "app: db" })}
${pod("db-2", "198.18.0.13", { labels: "app: db" })}
${pod("gateway", "198.18.0.14", { labels: "istio: ingressgateway", annotations: "inject.istio.io/templates: gateway", namespace: "istio-system" })}
${pod("rates", "198.18.0.15", { annotations: "lateen.dev/external-hosts: 'api.example, www.example'", labels: "sidecar.istio.io/inject: 'false'" })}
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 198.19.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {clusterIP: 198.19.0.2, selector: {app: nobody}, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {clusterIP: 198.19.0.3, selector: {istio: ingressgateway}, ports: [{name: http, port: 80, targetPort: 8081}]}
`;

test("a ServiceEntry's name is known where it is exported to, a Service's everywhere", () => {
  const entry = (namespace: string, exportTo: string, address: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner, namespace: ${namespace}}
spec: {hosts: [partner.example], addresses: [${address}], exportTo: ${exportTo}, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 192.0.2.1}]}
---`;
  const all = `${entry("a", '["."]', "240.0.0.1")}${entry("b", '[".", c]', "240.0.0.2")}${entry("d", '["*"]', "240.0.0.3")}${entry("e", '["~"]', "240.0.0.4")}
apiVersion: v1
kind: Service
metadata: {name: hidden, namespace: a, annotations: {networking.istio.io/exportTo: "."}}
spec: {clusterIP: 198.19.0.1, ports: [{name: http, port: 80}]}
`;
  const { hosts } = nameTableOf(worldOf(all).mesh, []);
  expect(hosts.map(({ host, addresses, namespaces }) => [host, ...addresses, namespaces])).toEqual([
    ["hidden.a.svc.cluster.local", "198.19.0.1", undefined],
    ["partner.example", "240.0.0.4", []],
    ["partner.example", "240.0.0.1", ["a"]],
    ["partner.example", "240.0.0.2", ["b", "c"]],
    ["partner.example", "240.0.0.3", undefined],
  ]);
});

describe("the name table", () => {
  const { mesh } = worldOf(text);
  const pods = resourcesOf(text).filter((resource) => resource.kind === "Pod");
  const table = nameTableOf(mesh, pods);

  test("services have their virtual address, headless ones their pods', external hosts their stand-in's; sorted by host", () => {
    expect(table.hosts.map(({ host, addresses }) => [host, ...addresses])).toEqual([
      ["api.example", "198.18.0.15"],
      ["db.shop.svc.cluster.local", "198.18.0.12", "198.18.0.13"],
      ["empty.shop.svc.cluster.local", "198.19.0.2"],
      ["ingress.istio-system.svc.cluster.local", "198.19.0.3"],
      ["web.shop.svc.cluster.local", "198.19.0.1"],
      ["www.example", "198.18.0.15"],
    ]);
  });

  test("a virtual address leads to the pods' own ports, and to nobody when there are none", () => {
    const vip = (address: string) => table.vips.filter((entry) => entry.vip === address);
    expect(vip("198.19.0.1")).toEqual([
      { vip: "198.19.0.1", port: 80, protocol: "tcp", endpoints: [{ address: "198.18.0.11", port: 8080 }] },
    ]);
    expect(vip("198.19.0.2").map(({ port, protocol, endpoints }) => [port, protocol, endpoints.length])).toEqual([
      [80, "tcp", 0],
      [53, "udp", 0],
    ]);
  });

  test("only a gateway's ports are reachable from the host", () => {
    expect(table.gatewayPorts).toEqual([{ port: 80, endpoints: [{ address: "198.18.0.14", port: 8081 }] }]);
  });

  test("a pod without an address stands in for nobody yet", () => {
    const waiting = resourcesOf(text.replace("status: {podIP: 198.18.0.15, conditions", "status: {conditions")).filter(
      ({ kind }) => kind === "Pod",
    );
    expect(externalHosts(waiting.filter((resource) => resource.kind === "Pod"))).toEqual([]);
  });
});
