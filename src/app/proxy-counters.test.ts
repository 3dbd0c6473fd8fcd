import { expect, test } from "vitest";
import { countersOf } from "./proxy-counters.ts";

const stats = `cluster.outbound|80||web_shop_svc_cluster_local.ssl.handshake: 4
cluster.outbound|80||web_shop_svc_cluster_local.upstream_cx_connect_fail: 1
cluster.outbound|80||web_shop_svc_cluster_local.upstream_cx_total: 5
http.inbound_8080.downstream_cx_active: 2
http.inbound_8080.downstream_cx_length_ms: P0(nan,0) P25(nan,0)
http.inbound_8080.downstream_cx_ssl_active: 1
http.inbound_8080.downstream_cx_ssl_total: 3
http.inbound_8080.downstream_cx_total: 9
http.inbound_8080.downstream_rq_total: 70
http.gateway_80.downstream_cx_total: 6
`;

const host = (address: string, counted: Readonly<Record<string, number>>) => ({
  address: { socket_address: { address, port_value: 8080 } },
  stats: Object.entries(counted).map(([name, value]) => ({ name, value: String(value) })),
});

test("Envoy's answers become counters: clusters that were used, and HTTP ports", () => {
  const clusters = {
    cluster_statuses: [
      { name: "xds-grpc", host_statuses: [{ address: { pipe: { path: "/x" } }, stats: [{ name: "cx_total", value: "1" }] }] },
      { name: "outbound|81||web.shop.svc.cluster.local" },
      {
        name: "outbound|80||web.shop.svc.cluster.local",
        host_statuses: [host("10.0.0.2", { cx_total: 5, cx_connect_fail: 1, cx_active: 1, rq_total: 40 }), host("10.0.0.3", {})],
      },
    ],
  };
  expect(countersOf(stats, clusters)).toEqual({
    clusters: [
      {
        name: "outbound|80||web.shop.svc.cluster.local",
        connections: 4,
        handshakes: 4,
        endpoints: [{ address: "10.0.0.2:8080", connections: 4, active: 1, requests: 40 }],
      },
    ],
    inbound: new Map([[8080, { connections: 9, tlsConnections: 3, active: 2, tlsActive: 1, requests: 70 }]]),
    gateway: new Map([[80, { connections: 6, tlsConnections: 0, active: 0, tlsActive: 0, requests: 0 }]]),
  });
});
