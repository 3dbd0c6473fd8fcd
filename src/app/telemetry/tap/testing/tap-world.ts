// A small mesh whose requests are watched, and what its proxies tell of one.

import { resourcesOf, snapshotOf, withEndpoints } from "../../../../../test/harness/world.ts";
import { defaultMeshSettings, type MeshProxy } from "../../../../model/mesh.ts";
import { createModel } from "../../../../model/mesh-of.ts";
import type { OtlpLogRecord } from "../../../../telemetry/otlp-logs.ts";
import { type TapRecord, tapRecordOf } from "../../../../telemetry/tap-record.ts";

const pod = (name: string, namespace: string, address: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}-v1-x, namespace: ${namespace}, uid: ${name}, labels: {app: ${name}, version: v1}}
spec: {serviceAccountName: ${name}, containers: [{name: app}]}
status: {podIP: ${address}, phase: Running}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {clusterIP: 198.19.0.${address.split(".").at(-1)}, selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}, {name: http-admin, port: 81, targetPort: 8081}]}
`;

const world = [
  pod("web", "shop", "198.18.0.2"),
  pod("orders", "shop", "198.18.0.3"),
  pod("orders", "shop", "198.18.0.4").split("---")[0]?.replaceAll("v1", "v2").replace("uid: orders", "uid: orders-v2") ?? "",
  `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: orders, namespace: shop}
spec:
  hosts: [orders]
  http:
  - name: split
    route: [{destination: {host: orders, subset: v1}, weight: 3}, {destination: {host: orders, subset: v2}, weight: 1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
`,
].join("---\n");

/** A caller, and a service of two versions behind a divided route. */
export const mesh = createModel().meshOf(snapshotOf(withEndpoints(resourcesOf(world)), 1, undefined), {
  settings: defaultMeshSettings,
  resolved: new Map(),
  settled: new Map(),
});
function proxyOf(id: string): MeshProxy {
  const proxy = mesh.proxies.get(id);
  if (proxy === undefined) throw new Error(`no proxy ${id}`);
  return proxy;
}

export const web = proxyOf("web-v1-x.shop");
export const orders = proxyOf("orders-v1-x.shop");

/** A log record as a proxy sends it. */
export const log = (attributes: Readonly<Record<string, string>>): OtlpLogRecord => ({
  timeMs: 1000,
  body: "",
  attributes,
  traceId: "",
  spanId: "",
});

export function recordOf(attributes: Readonly<Record<string, string>>): TapRecord {
  const record = tapRecordOf(log(attributes));
  if (record === undefined) throw new Error("no record");
  return record;
}

/** What the caller tells of a request. */
export const sent = {
  reporter: "source",
  start: "2030-01-01T00:00:00.000Z",
  method: "GET",
  authority: "orders",
  path: "/items?id=1",
  code: "200",
  cluster: "outbound|80|v1|orders.shop.svc.cluster.local",
  upstream: "198.18.0.3:8080",
  attempts: "1",
  route: "split",
  rule: "shop/orders http[0]",
  request_id: "id-1",
  duration: "12",
};

/** What the server tells of it. */
export const received = {
  ...sent,
  reporter: "destination",
  cluster: "inbound|8080||",
  client: "198.18.0.2:40000",
  attempt: "1",
  duration: "9",
  rule: "-",
};
