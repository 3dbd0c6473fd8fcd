// Traces by builders: reading reports, keeping, judging, searching, trees.

import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ExportTraceServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.js";
import { Span_SpanKind, Status_StatusCode } from "#envoy/opentelemetry/proto/trace/v1/trace_pb.js";
import { BadInput } from "../../lib/errors.ts";
import { applicationSpans, proxySpans } from "./name-spans.ts";
import { parseOtlpJson } from "./otlp-json.ts";
import { parseOtlpSpans } from "./otlp-spans.ts";
import { searchTraces } from "./search.ts";
import type { ReportedSpan, Span, SpanSender } from "./span.ts";
import { summaryOf } from "./trace.ts";
import { TraceStore } from "./trace-store.ts";
import { waterfallOf } from "./waterfall.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const traceId = "463ac35c9f6413ad48485a3953bb6124";

const request = create(ExportTraceServiceRequestSchema, {
  resourceSpans: [
    {
      resource: { attributes: [{ key: "service.name", value: { value: { case: "stringValue", value: "shop" } } }] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: hex(traceId),
              spanId: hex("a2fb4a1d1a96d312"),
              parentSpanId: hex("00f067aa0ba902b7"),
              name: "checkout",
              kind: Span_SpanKind.CLIENT,
              startTimeUnixNano: 1_795_285_310_240_403_000n,
              endTimeUnixNano: 1_795_285_310_280_423_000n,
              status: { code: Status_StatusCode.ERROR, message: "no stock" },
              attributes: [
                { key: "items", value: { value: { case: "intValue", value: 3n } } },
                { key: "price", value: { value: { case: "doubleValue", value: 1.5 } } },
                { key: "gift", value: { value: { case: "boolValue", value: true } } },
                { key: "__proto__", value: { value: { case: "stringValue", value: "no" } } },
                {
                  key: "tags",
                  value: {
                    value: {
                      case: "arrayValue",
                      value: { values: [{ value: { case: "stringValue", value: "a" } }, { value: { case: "intValue", value: 2n } }] },
                    },
                  },
                },
              ],
              events: [{ timeUnixNano: 1_795_285_310_250_000_000n, name: "asked" }],
            },
            { traceId: hex("00"), spanId: hex("a2fb4a1d1a96d312"), name: "without an id" },
          ],
        },
      ],
    },
  ],
});

const expected = {
  traceId,
  spanId: "a2fb4a1d1a96d312",
  parentId: "00f067aa0ba902b7",
  name: "checkout",
  kind: "client",
  startUs: 1_795_285_310_240_403,
  durationUs: 40_020,
  isError: true,
  statusText: "no stock",
  events: [{ name: "asked", timeUs: 1_795_285_310_250_000, attributes: {} }],
};

test("binary and JSON of OTLP say the same", () => {
  const [binary] = parseOtlpSpans(toBinary(ExportTraceServiceRequestSchema, request));
  expect(binary).toMatchObject({ resource: { "service.name": "shop" }, spans: [expected], skipped: 1 });
  expect(Object.entries(binary?.spans[0]?.attributes ?? {})).toEqual([
    ["items", 3],
    ["price", 1.5],
    ["gift", true],
    ["__proto__", "no"],
    ["tags", "a,2"],
  ]);
  // Protobuf's JSON has ids in base64, OTLP's in hexadecimal.
  const json: unknown = JSON.parse(JSON.stringify(toJson(ExportTraceServiceRequestSchema, request)), (key, value: unknown) =>
    ["traceId", "spanId", "parentSpanId"].includes(key) ? Buffer.from(String(value), "base64").toString("hex") : value,
  );
  expect(parseOtlpJson(json)).toEqual([binary]);
});

test.each([
  ["a length beyond the end", "0aff"],
  ["a group", "0b"],
  ["a varint without end", "ffffffffffffffffffffff"],
])("junk is refused: %s", (_, bytes) => {
  expect(() => parseOtlpSpans(hex(bytes))).toThrow(BadInput);
});

test.each([[null], [[]], ["x"], [{ resourceSpans: 1 }], [{ resourceSpans: [null, { scopeSpans: [{ spans: [{}, 1] }] }] }]])(
  "JSON junk has no spans: %j",
  (junk) => {
    expect(parseOtlpJson(junk).flatMap(({ spans }) => spans)).toEqual([]);
  },
);

const shop: SpanSender = { kind: "proxy", service: "web", version: "v1", workload: "web-v1", namespace: "shop", pod: "web-v1-x" };
const startUs = 1_795_285_310_000_000;

let ids = 0;

function span(fields: Partial<Span> = {}): Span {
  ids += 1;
  const spanId = ids.toString(16).padStart(16, "0");
  const plain = { parentId: "", name: "call", kind: "server", startUs, durationUs: 1000, isError: false, statusText: "" } as const;
  return { traceId, spanId, ...plain, attributes: {}, events: [], sender: shop, isMirrored: false, resource: {}, ...fields };
}

function reported(fields: Partial<ReportedSpan>): ReportedSpan {
  const { sender: _sender, isMirrored: _isMirrored, resource: _resource, ...plain } = span();
  return { ...plain, ...fields };
}

test("a proxy's spans bear Istio's names and its identity, not what they say", () => {
  const spans = [
    reported({ attributes: { upstream_cluster: "outbound|80|v2|stock.shop.svc.cluster.local", "http.status_code": "200" } }),
    reported({ attributes: { upstream_cluster: "inbound|8080||", "http.status_code": "503", "lateen.mirrored": "1" } }),
    reported({ name: "ingress", attributes: { component: "proxy", "http.status_code": "404", "service.name": "evil" } }),
    reported({ attributes: { "grpc.status_code": "14", "http.status_code": "200" } }),
  ];
  const place = { serviceOfPort: new Map([[8080, "web.shop.svc.cluster.local:80"]]) };
  const named = proxySpans({ resource: { "service.name": "evil" }, spans, skipped: 0 }, shop, place);
  expect(named.map(({ name, isError, isMirrored, sender, resource }) => ({ name, isError, isMirrored, sender, resource }))).toEqual([
    { name: "stock.shop.svc.cluster.local:80/*", isError: false, isMirrored: false, sender: shop, resource: {} },
    { name: "web.shop.svc.cluster.local:80/*", isError: true, isMirrored: true, sender: shop, resource: {} },
    { name: "ingress", isError: false, isMirrored: false, sender: shop, resource: {} },
    { name: "call", isError: true, isMirrored: false, sender: shop, resource: {} },
  ]);
});

test("a 4xx that Envoy marks as an error of the client's span is no failure; an application's own error is", () => {
  const attributes = { component: "proxy", "http.status_code": "404" };
  const failedIn = (fields: Partial<Span>): string => summaryOf(traceId, [span(fields)]).failedIn;
  expect(failedIn({ kind: "client", isError: true, attributes })).toBe("");
  expect(failedIn({ kind: "client", isError: true, attributes: { ...attributes, "grpc.status_code": "14" } })).toBe("web");
  expect(failedIn({ kind: "client", isError: true, attributes: { ...attributes, "http.status_code": "504" } })).toBe("web");
  expect(failedIn({ isError: true, attributes, sender: { ...shop, kind: "application" } })).toBe("web");
});

test("an application is the pod it sends from; strangers are what they call themselves", () => {
  const spans = { resource: { "service.name": "mine", "service.version": "7" }, spans: [reported({})], skipped: 0 };
  const stranger: SpanSender = { kind: "stranger", service: "", version: "", workload: "", namespace: "", pod: "" };
  const own: SpanSender = { ...shop, kind: "application" };
  expect(applicationSpans(spans, own)[0]).toMatchObject({ sender: own, resource: { "service.name": "mine" } });
  expect(applicationSpans(spans, stranger)[0]).toMatchObject({ sender: { service: "mine", version: "7" } });
});

test("failed and slow traces stay when memory is short, and late spans join", () => {
  const store = new TraceStore({ maxBytes: 60_000, quietMs: 1000 });
  const id = (index: number): string => index.toString(16).padStart(32, "0");
  const usual = { ...span(), traceId: "" };
  let nowMs = 0;
  const trace = (index: number, fields: Partial<Span>): void => {
    store.add([{ ...span(fields), traceId: id(index) }], nowMs);
    nowMs += 1000;
    store.judge(nowMs);
  };
  for (let index = 1; index <= 30; index += 1) trace(index, {});
  trace(31, { durationUs: 50_000 });
  trace(32, { isError: true });
  expect([30, 31, 32].map((index) => store.get(id(index))?.keeping)).toEqual(["usual", "slow", "failed"]);
  for (let index = 33; index <= 200; index += 1) trace(index, {});
  expect([1, 30, 31, 32, 200].map((index) => store.get(id(index))?.keeping)).toEqual([undefined, undefined, "slow", "failed", "usual"]);
  expect(store.counts().bytes).toBeLessThanOrEqual(60_000);
  // A late span makes it a failed one; the same span twice counts once.
  const late = { ...usual, traceId: id(200), isError: true };
  store.add([late, late], nowMs);
  expect(store.get(id(200))).toMatchObject({ keeping: "failed", summary: { spans: 2, errors: 1 } });
});

const application = (pod: string): SpanSender => ({ ...shop, kind: "application", pod });
const numbered = (index: number): string => index.toString(16).padStart(32, "0");

test("a flood of an application's failures pushes out neither what proxies reported nor what others sent", () => {
  const store = new TraceStore({ maxBytes: 400_000, quietMs: 1000 });
  for (let index = 1; index <= 100; index += 1) store.add([{ ...span(), traceId: numbered(index) }], 0);
  for (let index = 101; index <= 110; index += 1) store.add([{ ...span({ sender: application("quiet") }), traceId: numbered(index) }], 0);
  for (let index = 1001; index <= 3000; index += 1) {
    store.add([{ ...span({ sender: application("loud"), isError: true }), traceId: numbered(index) }], index);
    store.judge(index);
  }
  const kept = [...store.newestFirst()].map(({ spans }) => spans[0]?.sender);
  expect(kept.filter((sender) => sender?.kind === "proxy")).toHaveLength(100);
  expect(kept.filter((sender) => sender?.pod === "quiet")).toHaveLength(10);
  // An eighth of the room for about 600 traces.
  expect(kept.filter((sender) => sender?.pod === "loud").length).toBeLessThan(100);
  expect(store.get(numbered(3000))).toBeDefined();
});

test("many applications' traces go before one that a proxy reported, and what a proxy joins counts as such", () => {
  const store = new TraceStore({ maxBytes: 100_000, quietMs: 1000 });
  store.add([{ ...span({ sender: application("first") }), traceId: numbered(1) }], 0);
  store.add([{ ...span(), traceId: numbered(1) }], 0);
  for (let index = 2; index <= 1000; index += 1) {
    store.add([{ ...span({ sender: application(`pod-${index}`), isError: true }), traceId: numbered(index) }], index);
    store.judge(index + 1000);
  }
  expect(store.get(numbered(1))?.spans).toHaveLength(2);
  expect(store.counts().bytes).toBeLessThanOrEqual(100_000);
  expect(store.counts().evicted).toBeGreaterThan(800);
});

test("an application's spans beyond its share leave the proxies' part of their trace, and that is told", () => {
  const store = new TraceStore({ maxBytes: 100_000 });
  for (let index = 1; index <= 50; index += 1) {
    store.add(
      [
        { ...span(), traceId: numbered(index) },
        { ...span({ sender: application("loud") }), traceId: numbered(index) },
      ],
      0,
    );
  }
  expect(store.get(numbered(1))).toMatchObject({ dropped: 1, spans: [{ sender: { kind: "proxy" } }] });
  expect(store.get(numbered(50))).toMatchObject({ dropped: 0, summary: { spans: 2 } });
  const { spans, droppedSpans, bytes } = store.counts();
  expect(spans + droppedSpans).toBe(100);
  // One trace alone takes no more than the share either.
  for (let index = 1; index <= 50; index += 1) store.add([span({ sender: application("other") })], 0);
  expect(store.get(traceId)?.dropped).toBeGreaterThan(20);
  expect(store.counts().bytes - bytes).toBeLessThanOrEqual(12_500);
});

test("a trace that never ends is bounded", () => {
  const store = new TraceStore({ maxSpansOfTrace: 3 });
  store.add(
    [1, 2, 3, 4, 5].map(() => span()),
    0,
  );
  expect(store.get(traceId)).toMatchObject({ dropped: 2, summary: { spans: 3 } });
  expect(store.counts()).toMatchObject({ spans: 3, droppedSpans: 2 });
});

test("search by service, operation, duration, errors, time and attributes", () => {
  const store = new TraceStore();
  const [a, b] = ["a".repeat(32), "b".repeat(32)];
  store.add([{ ...span({ attributes: { "http.url": "/pay" }, durationUs: 5000 }), traceId: a }], 0);
  store.add(
    [{ ...span({ name: "stock:80/*", isError: true, startUs: startUs + 1000, sender: { ...shop, service: "stock" } }), traceId: b }],
    0,
  );
  const found = (query: object) => searchTraces(store.newestFirst(), { limit: 10, ...query }).map((trace) => trace.traceId);
  expect(found({})).toEqual([b, a]);
  expect(found({ service: "web" })).toEqual([a]);
  expect(found({ service: "web.shop" })).toEqual([a]);
  expect(found({ operation: "stock" })).toEqual([b]);
  expect(found({ minDurationMs: 2 })).toEqual([a]);
  expect(found({ onlyErrors: true })).toEqual([b]);
  expect(found({ sinceMs: startUs / 1000 + 1 })).toEqual([b]);
  expect(found({ attributes: { "http.url": "/pay" } })).toEqual([a]);
  expect(found({ limit: 1 })).toEqual([b]);
});

test("traces that only an application reported take no place from those of proxies", () => {
  const store = new TraceStore();
  const id = (digit: string) => digit.repeat(32);
  store.add([{ ...span(), traceId: id("a") }], 0);
  store.add([{ ...span(), traceId: id("b") }], 0);
  const junk = Array.from({ length: 30 }, (_, index) => ({
    ...span({ sender: { ...application("junk"), service: "junk" } }),
    traceId: String(index).padStart(32, "0"),
  }));
  store.add(junk.slice(0, 29), 0);
  store.add([{ ...span(), traceId: id("c") }], 0);
  store.add(junk.slice(29), 0);
  const found = (limit: number) => searchTraces(store.newestFirst(), { limit }).map((trace) => trace.traceId.slice(-2));
  expect(found(2)).toEqual(["cc", "bb"]);
  expect(found(5)).toEqual(["29", "cc", "28", "bb", "aa"]);
  expect(searchTraces(store.newestFirst(), { limit: 2, service: "junk" }).map(({ isOfProxies }) => isOfProxies)).toEqual([false, false]);
  // A proxy that knows of one makes it one of its own.
  store.add([{ ...span({ spanId: "00000000000000aa" }), traceId: "0".repeat(32) }], 0);
  expect(found(4)).toEqual(["cc", "00", "bb", "aa"]);
});

test("the tree has every span once, says what is missing and where clocks disagree", () => {
  const root = span({ durationUs: 10_000, isError: true });
  const child = span({ parentId: root.spanId, startUs: startUs + 1000 });
  const early = span({ parentId: child.spanId, startUs: startUs + 400, isError: true });
  const orphan = span({ parentId: "ffffffffffffffff", startUs: startUs + 5000 });
  const circle = span({ spanId: "00000000000000c1", parentId: "00000000000000c2", startUs: startUs + 6000 });
  const back = span({ spanId: "00000000000000c2", parentId: "00000000000000c1", startUs: startUs + 6001 });
  const { rows, durationUs } = waterfallOf([back, orphan, early, child, circle, root]);
  expect(durationUs).toBe(10_000);
  expect(
    rows.map(({ span: { spanId }, depth, offsetUs, isOrphan, skewUs, isCause }) => [spanId, depth, offsetUs, isOrphan, skewUs, isCause]),
  ).toEqual([
    [root.spanId, 0, 0, false, 0, false],
    [child.spanId, 1, 1000, false, 0, false],
    [early.spanId, 2, 400, false, 600, true],
    [orphan.spanId, 0, 5000, true, 0, false],
    [circle.spanId, 0, 6000, false, 0, false],
    [back.spanId, 1, 6001, false, 0, false],
  ]);
});
