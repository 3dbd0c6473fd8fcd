import { describe, expect, test } from "vitest";
import { resourcesOf, snapshotOf, withEndpoints } from "../../../../test/harness/world.ts";
import type { TapEnd, TapEvent, TapHalf, TapLine } from "../../../http/tap-contract.ts";
import { defaultMeshSettings } from "../../../model/mesh.ts";
import { createModel } from "../../../model/mesh-of.ts";
import type { OtlpLogRecord } from "../../../telemetry/otlp-logs.ts";
import { parseParty } from "../../../telemetry/party.ts";
import { type TapRecord, tapRecordOf } from "../../../telemetry/tap-record.ts";
import { tapEventOf } from "./event.ts";
import { matchesPath, tapFilterOf } from "./filter.ts";
import { TapJoiner } from "./join.ts";
import { isParty } from "./party.ts";
import { decideTapPercent } from "./rate.ts";
import { Taps } from "./taps.ts";

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
spec: {clusterIP: 198.19.0.${address.split(".").at(-1)}, selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]}
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

const mesh = createModel().meshOf(snapshotOf(withEndpoints(resourcesOf(world)), 1, undefined), {
  settings: defaultMeshSettings,
  resolved: new Map(),
  settled: new Map(),
});
const [web, orders] = ["web-v1-x.shop", "orders-v1-x.shop"].map((id) => mesh.proxies.get(id));
if (web === undefined || orders === undefined) throw new Error("no proxies");

const eventOfWeb = () => tapEventOf(recordOf(sent), web, mesh);

const log = (attributes: Readonly<Record<string, string>>): OtlpLogRecord => ({
  timeMs: 1000,
  body: "",
  attributes,
  traceId: "",
  spanId: "",
});

function recordOf(attributes: Readonly<Record<string, string>>): TapRecord {
  const record = tapRecordOf(log(attributes));
  if (record === undefined) throw new Error("no record");
  return record;
}

const ordersCluster = "outbound|80|v1|orders.shop.svc.cluster.local";
const sent = {
  reporter: "source",
  start: "2030-01-01T00:00:00.000Z",
  method: "GET",
  authority: "orders",
  path: "/items?id=1",
  code: "200",
  cluster: ordersCluster,
  upstream: "198.18.0.3:8080",
  attempts: "1",
  route: "split",
  rule: "shop/orders http[0]",
  request_id: "id-1",
  duration: "12",
};
const received = {
  ...sent,
  reporter: "destination",
  cluster: "inbound|8080||",
  client: "198.18.0.2:40000",
  attempt: "1",
  duration: "9",
  rule: "-",
};

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

describe("parties", () => {
  const end: TapEnd = {
    name: "shop/web-v1",
    kind: "workload",
    namespace: "shop",
    workload: "web-v1",
    pod: "web-v1-7d-x",
    services: ["web.shop.svc.cluster.local"],
  };
  const isIt = (text: string, namespace?: string) => isParty(parseParty(text, namespace), end);

  test.each([
    "web",
    "web-v1",
    "web-v1-7d-x",
    "shop/web",
    "shop/web-v1",
    "web.shop",
    "web-v1.shop",
    "service/web",
    "svc/web",
    "deployment/web-v1",
    "pod/web-v1-7d-x",
    "sts/web-v1",
    "service/shop/web",
    "workload/shop/web-v1",
    "web.shop.svc.cluster.local",
  ])("%s is it", (text) => expect(isIt(text)).toBe(true));

  test.each([
    "we",
    "other/web",
    "deployment/web",
    "pod/web-v1",
    "service/web-v1",
    "web.other",
    "deployment/other/web-v1",
    "",
    "constructor/web",
  ])("%j isn't", (text) => expect(isIt(text)).toBe(false));

  test("a namespace is of those that name none", () => {
    expect([isIt("web", "shop"), isIt("web", "other"), isIt("service/web", "other"), isIt("shop/web", "other")]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

describe("filters", () => {
  test.each([
    ["/orders", "/orders/7?x=1", true],
    ["/orders", "/order", false],
    ["/orders/*/items", "/orders/7/items", true],
    ["/orders/*/items", "/orders/7/items/1", false],
    ["*", "", true],
    ["/a*b*c", "/a-b-b-c", true],
    ["/a*a", "/a", false],
    ["*?x=1", "/any?x=1", true],
    ["/any*", "/any?x=1", true],
    ["/(a+)+$", "/(a+)+$", true],
  ])("%s takes %s: %s", (pattern, path, expected) => {
    expect(matchesPath(pattern, path)).toBe(expected);
  });

  test("of a request", () => {
    const { event } = tapEventOf(recordOf(sent), web, mesh);
    const takes = (query: Parameters<typeof tapFilterOf>[0]) => tapFilterOf(query).matches(event);
    for (const query of [
      {},
      { party: "web" },
      { party: "orders" },
      { from: "web", to: "orders" },
      { method: "get" },
      { status: "5xx,200" },
      { minDurationMs: 12 },
      { version: "v1" },
      { namespace: "shop" },
      { mirrored: false },
    ]) {
      expect([query, takes(query)]).toEqual([query, true]);
    }
    for (const query of [
      { from: "orders" },
      { to: "web" },
      { party: "x" },
      { method: "POST" },
      { status: "none" },
      { minDurationMs: 13 },
      { version: "v2" },
      { namespace: "other" },
      { mirrored: true },
      { failed: true },
      { party: "web", namespace: "other" },
    ]) {
      expect([query, takes(query)]).toEqual([query, false]);
    }
  });
});

describe("joining", () => {
  const half: TapHalf = { ...tapHalf(), proxy: "a" };
  function tapHalf(): TapHalf {
    const { event } = eventOfWeb();
    if (event.client === undefined) throw new Error("no half");
    return event.client;
  }
  const base = tapEventOf(recordOf(sent), web, mesh).event;
  const { client: _, ...ends } = base;
  const fromClient: TapEvent = { ...ends, client: half };
  const fromServer: TapEvent = { ...ends, server: { ...half, proxy: "b" } };

  test("two halves are one event, whichever comes first; what has no pair goes alone, at once or after a while", () => {
    const joiner = new TapJoiner();
    expect(joiner.push({ event: fromServer, pair: undefined }, 0)).toHaveLength(1);
    expect(joiner.push({ event: fromServer, pair: "x" }, 0)).toEqual([]);
    expect(joiner.push({ event: fromClient, pair: "x" }, 10)).toMatchObject([{ client: { proxy: "a" }, server: { proxy: "b" } }]);
    expect(joiner.push({ event: fromClient, pair: "y" }, 20)).toEqual([]);
    expect(joiner.push({ event: fromClient, pair: "y" }, 30)).toEqual([]);
    expect(joiner.push({ event: fromServer, pair: "y" }, 40)).toHaveLength(1);
    expect(joiner.expire(1000)).toEqual([]);
    expect(joiner.expire(1600)).toHaveLength(1);
    expect(joiner.expire(9999)).toEqual([]);
  });

  test("only so many wait", () => {
    const joiner = new TapJoiner();
    const out = Array.from({ length: 6000 }, (_, index) => joiner.push({ event: fromServer, pair: String(index) }, 0).length);
    expect(out.reduce((sum, count) => sum + count, 0)).toBe(1000);
    expect(joiner.expire(2000)).toHaveLength(5000);
  });
});

test("the share follows the rate, and never falls to nothing", () => {
  let percent = 100;
  const after = (rate: number): number => {
    percent = decideTapPercent(percent, (rate * percent) / 100, 1000);
    return percent;
  };
  expect([after(500), after(4000), after(4000), after(4000)]).toEqual([100, 20, 20, 20]);
  expect(decideTapPercent(1, 1_000_000, 1000)).toBe(1);
  for (let second = 0; second < 20; second++) after(300);
  expect(percent).toBe(100);
});

describe("watchers", () => {
  function start() {
    const asked: ReadonlyMap<string, number>[] = [];
    let now = 0;
    const taps = new Taps({ mesh: () => mesh, tap: (map) => void asked.push(map), isCurrent: () => true, nowMs: () => now, maxRate: 10 });
    const pass = (ms: number) => {
      now += ms;
    };
    return { taps, asked, pass };
  }

  test("proxies tell as long as somebody watches, and what they tell reaches who asked for it", async () => {
    const { taps, asked, pass } = start();
    const lines: TapLine[] = [];
    const leave = taps.watch({ to: "orders" }, (line) => lines.push(line) > 0);
    expect([...(asked.at(-1) ?? [])]).toEqual([...mesh.proxies.keys()].map((id) => [id, 100]));
    taps.take("web-v1-x.shop", [log(sent)]);
    taps.take("orders-v1-x.shop", [log(received)]);
    taps.take("nobody", [log(sent)]);
    await expect.poll(() => lines.map(({ type }) => type)).toEqual(["watching", "event"]);
    expect(lines.at(-1)).toMatchObject({ event: { client: { durationMs: 12 }, server: { durationMs: 9 } } });
    const [before, second] = [asked.length, taps.watch({}, () => true)];
    second();
    expect(asked).toHaveLength(before);
    leave();
    leave();
    expect(asked.at(-1)?.size).toBe(0);
    pass(10);
    taps.take("web-v1-x.shop", [log(sent)]);
  });

  test("too many records: the rest is counted, and a share is drawn; who can't take lines is told how many are missing", async () => {
    const { taps, asked, pass } = start();
    const lines: TapLine[] = [];
    let isSlow = false;
    const refused: TapLine[] = [];
    taps.watch({}, (line) => (isSlow ? refused.push(line) < 0 : lines.push(line) > 0));
    taps.take(
      "web-v1-x.shop",
      Array.from({ length: 30 }, (_, index) => log({ ...sent, request_id: `${index}` })),
    );
    pass(2000);
    await expect.poll(() => lines.filter(({ type }) => type === "event").length).toBe(20);
    await expect
      .poll(() => lines)
      .toEqual(
        expect.arrayContaining([
          { type: "sampling", percent: 26 },
          { type: "dropped", count: 10 },
        ]),
      );
    expect([...(asked.at(-1)?.values() ?? [])].every((percent) => percent === 26)).toBe(true);
    isSlow = true;
    taps.take("web-v1-x.shop", [log({ ...sent, upstream: "" }), log({ ...sent, upstream: "" })]);
    await expect
      .poll(() => refused.filter(({ type }) => type === "event").length + refused.filter(({ type }) => type === "dropped").length)
      .toBeGreaterThan(1);
    isSlow = false;
    await expect.poll(() => lines.filter(({ type }) => type === "dropped").at(-1)).toEqual({ type: "dropped", count: 2 });
    taps.close();
    expect(asked.at(-1)?.size).toBe(0);
  });

  test("a name of nobody is refused, a host outside isn't", () => {
    const { taps } = start();
    expect(() => taps.watch({ party: "nobody" }, () => true)).toThrow("there is no workload, pod or service nobody");
    taps.watch({ to: "api.example.com" }, () => true)();
    taps.close();
  });
});
