// Records of proxies → events: who is at both ends, what routed the request, and whether it failed.

import { describe, expect, test } from "vitest";
import { tapRecordOf } from "../../../telemetry/tap-record.ts";
import { tapEventOf } from "./event.ts";
import { log, mesh, orders, received, recordOf, sent, web } from "./testing/tap-world.ts";

describe("records", () => {
  test("what isn't there, isn't a number or comes from elsewhere does no harm", () => {
    expect(tapRecordOf(log({}))).toBeUndefined();
    expect(tapRecordOf(log({ reporter: "toString" }))).toBeUndefined();
    expect(
      recordOf({ reporter: "source", code: "-", duration: "x", flags: "-", start: "never", attempt: "999999999999999999" }),
    ).toMatchObject({
      code: 0,
      durationMs: 0,
      flags: [],
      startMs: 1000,
      attempt: 1,
      path: "",
      upstreamMs: undefined,
    });
    expect(recordOf({ reporter: "destination", copy: "1", mirrored: "1" })).toMatchObject({ isCopy: true, mirrored: true });
    expect(recordOf({ reporter: "source", mirrored: "1" })).toMatchObject({ isCopy: false, mirrored: true });
    expect(recordOf({ reporter: "tcp", cluster: "inbound|5432||", log_type: "TcpConnectionEnd" })).toMatchObject({
      kind: "closed",
      reporter: "destination",
    });
    expect(recordOf({ reporter: "tcp", cluster: "x", log_type: "TcpUpstreamConnected" })).toMatchObject({
      kind: "connected",
      reporter: "source",
    });
  });
});

describe("events", () => {
  const eventOf = (attributes: Readonly<Record<string, string>>, sender = web) => tapEventOf(recordOf(attributes), sender, mesh).event;

  test("both ends by address, with workload, version and services", () => {
    const { event, pair } = tapEventOf(recordOf(sent), web, mesh);
    expect(event).toMatchObject({
      source: { name: "shop/web-v1-x", version: "v1", services: ["web.shop.svc.cluster.local"] },
      destination: { name: "shop/orders-v1-x", address: "198.18.0.3:8080" },
    });
    expect(tapEventOf(recordOf(received), orders, mesh).pair).toBe(pair);
    expect(tapEventOf(recordOf({ ...received, copy: "1" }), orders, mesh).pair).toBeUndefined();
    expect(tapEventOf(recordOf({ ...received, attempt: "2" }), orders, mesh).pair).not.toBe(pair);
  });

  test.each([
    [{}, 'VirtualService shop/orders http[0] "split" → v1 (75 %)'],
    [{ rule: "shop/gone http[7].match[1]", route: "-" }, "VirtualService shop/gone http[7] → v1"],
    [{ rule: "", route: "default", cluster: "outbound|80||web.shop.svc.cluster.local" }, "Service shop/web port 80 (no VirtualService)"],
    [{ rule: "", route: "allow_any", cluster: "PassthroughCluster" }, "outboundTrafficPolicy ALLOW_ANY: to where the client connected"],
    [{ rule: "", route: "block_all", cluster: "" }, "outboundTrafficPolicy REGISTRY_ONLY: refused, no host of the mesh"],
    [{ rule: "", route: "", cluster: "", flags: "NR", code: "404" }, "no route: no rule takes this request"],
    [{ reporter: "tcp", rule: "", route: "", cluster: "split|5432|tcp.0|db.shop" }, "VirtualService shop/db tcp[0]"],
    [
      { reporter: "tcp", rule: "", route: "", cluster: "BlackHoleCluster" },
      "outboundTrafficPolicy REGISTRY_ONLY: refused, no host of the mesh",
    ],
    [{ rule: "", route: "", cluster: "", details: "cors", code: "200" }, "answered by the proxy: cors"],
  ])("%j was routed by %s", (more, text) => {
    expect(eventOf({ ...sent, ...more }).rule?.text).toBe(text);
  });

  test.each([
    [
      { upstream: "", attempts: "0" },
      { name: "shop/orders", kind: "service" },
    ],
    [
      { upstream: "203.0.113.1:443", cluster: "PassthroughCluster", authority: "api.example.com:8443" },
      { name: "api.example.com", kind: "outside" },
    ],
    [
      { upstream: "", cluster: "", authority: "", local: "203.0.113.1:80" },
      { name: "203.0.113.1:80", kind: "outside" },
    ],
  ])("%j goes to %j", (more, end) => {
    expect(eventOf({ ...sent, ...more }).destination).toMatchObject(end);
  });

  test("both ends' ids are one request's, although each proxy writes into it why it traces the request", () => {
    const pairOf = (id: string, record: Readonly<Record<string, string>>, proxy: typeof web) =>
      tapEventOf(recordOf({ ...record, request_id: id }), proxy, mesh).pair;
    const pair = pairOf("8668aad8-7e27-4318-ab2a-04e5a8dc3d2e", sent, web);
    expect(pairOf("8668aad8-7e27-b318-ab2a-04e5a8dc3d2e", received, orders)).toBe(pair);
    expect(pairOf("8668aad8-7e27-4319-ab2a-04e5a8dc3d2e", received, orders)).not.toBe(pair);
  });

  test("a connection's both halves meet by the address that it comes from", () => {
    const tcp = { reporter: "tcp", log_type: "TcpConnectionEnd", upstream: "198.18.0.3:5432" };
    const out = { ...tcp, cluster: "outbound|5432||orders.shop.svc.cluster.local", from: "198.18.0.2:40000", client: "198.18.0.2:39999" };
    const into = { ...tcp, cluster: "inbound|5432||", from: "127.0.0.6:50000", client: "198.18.0.2:40000" };
    const { pair } = tapEventOf(recordOf(out), web, mesh);
    expect(pair).toBeDefined();
    expect(tapEventOf(recordOf(into), orders, mesh).pair).toBe(pair);
    expect(tapEventOf(recordOf({ ...into, client: "198.18.0.2:40001" }), orders, mesh).pair).not.toBe(pair);
    expect(tapEventOf(recordOf({ ...into, log_type: "TcpUpstreamConnected" }), orders, mesh).pair).not.toBe(pair);
    expect(tapEventOf(recordOf({ ...out, from: "-" }), web, mesh).pair).toBeUndefined();
    expect([{}, { flags: "UR" }, { flags: "UF,URX" }].map((more) => eventOf({ ...out, ...more }).failed)).toEqual([false, true, true]);
  });

  test("failed are servers' faults and missing answers", () => {
    const failed = (more: Readonly<Record<string, string>>) => eventOf({ ...sent, ...more }).failed;
    expect([{ code: "503" }, { code: "0" }, { grpc: "14" }].map(failed)).toEqual([true, true, true]);
    expect([{}, { code: "404" }, { code: "403" }, { code: "0", flags: "DC" }, { grpc: "5" }].map(failed)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});
