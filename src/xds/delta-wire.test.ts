import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from "#envoy/envoy/service/discovery/v3/discovery_pb.js";
import { RuntimeSchema } from "#envoy/envoy/service/runtime/v3/rtds_pb.js";
import { decodeDeltaRequest, encodeDeltaResponse } from "./delta-wire.ts";
import { checkedLayer, encodeRuntimeLayer, mergedLayer } from "./runtime-layer.ts";

test("a response reads back with the generated schema", () => {
  const resource = (name: string, size: number) =>
    ({ type: "cds", name, version: "v1", bytes: new Uint8Array(size).fill(7), references: [], sources: [] }) as const;
  const resources = [resource("a", 0), resource("ü".repeat(100), 200), resource("c", 70_000)];
  const bytes = encodeDeltaResponse({ typeUrl: "type.googleapis.com/x", nonce: "9", resources, removed: ["r"] });
  const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  expect(message).toMatchObject({ typeUrl: "type.googleapis.com/x", nonce: "9", removedResources: ["r"] });
  expect(message.resources.map(({ name, version, resource: any }) => [name, version, any?.typeUrl, any?.value.length])).toEqual([
    ["a", "v1", "type.googleapis.com/x", 0],
    ["ü".repeat(100), "v1", "type.googleapis.com/x", 200],
    ["c", "v1", "type.googleapis.com/x", 70_000],
  ]);
});

test("a request written with the generated schema is read, of its node the id", () => {
  const request = create(DeltaDiscoveryRequestSchema, {
    node: { id: "web.shop", cluster: "x".repeat(1000), metadata: { id: "no" } },
    typeUrl: "t",
    resourceNamesSubscribe: ["a", "b"],
    resourceNamesUnsubscribe: ["c"],
    initialResourceVersions: { a: "1", __proto__: "2" },
    responseNonce: "5",
    errorDetail: { code: 3, message: "no" },
  });
  expect(decodeDeltaRequest(toBinary(DeltaDiscoveryRequestSchema, request))).toEqual({
    nodeId: "web.shop",
    typeUrl: "t",
    subscribe: ["a", "b"],
    unsubscribe: ["c"],
    initialVersions: new Map([["a", "1"]]),
    nonce: "5",
    error: "no",
  });
});

test.each([
  ["groups inside groups", Uint8Array.from({ length: 1_000_000 }, () => 0x0b)],
  ["an end without a beginning", Uint8Array.of(0x0c)],
  ["a length beyond the end", Uint8Array.of(0x1a, 0xff, 0xff, 0xff, 0x7f)],
  ["a length that never ends", Uint8Array.from({ length: 100 }, () => 0xff)],
  ["more names than any mesh has", Uint8Array.from({ length: 600_003 }, (_, index) => [0x1a, 1, 97][index % 3] ?? 0)],
])("%s is no request", (_, bytes) => {
  expect(() => decodeDeltaRequest(bytes)).toThrow();
});

test("what is nested in an unknown field is not looked at", () => {
  let nested = new Uint8Array();
  for (let depth = 0; depth < 60; depth += 1) nested = Uint8Array.of(0x7a, nested.length, ...nested);
  expect(decodeDeltaRequest(nested)).toMatchObject({ nodeId: undefined, subscribe: [] });
});

test("a runtime layer reads back with the generated schema", () => {
  const { bytes } = encodeRuntimeLayer(
    new Map([
      ["w.1.outbound|80||b.c", 9000],
      ["w.1.outbound|80||a.c", 1000],
    ]),
  );
  expect(fromBinary(RuntimeSchema, bytes)).toMatchObject({
    name: "weights",
    layer: { "w.1.outbound|80||b.c": 9000, "w.1.outbound|80||a.c": 1000 },
  });
});

test("a split that would answer 404 never leaves", () => {
  const layer = new Map([
    ["w.1.a.b", 10_000],
    ["w.1.a.c", 0],
    ["w.2.a", 5000],
    ["w.3.a", 10_000.5],
    ["w.4.a", 11_000],
    ["w.4.b", -1000],
  ]);
  const checked = checkedLayer(layer);
  expect([...checked.layer.keys()]).toEqual(["w.1.a.b", "w.1.a.c"]);
  expect(checked.refused.map(({ prefix }) => prefix).sort()).toEqual(["w.2", "w.3", "w.4"]);
  const sent = new Map([
    ["w.2.a", 10_000],
    ["w.9.a", 10_000],
  ]);
  expect([...mergedLayer(layer, sent, false).keys()], "a refused split keeps the weights sent before").toEqual([
    "w.1.a.b",
    "w.1.a.c",
    "w.2.a",
  ]);
  expect([...mergedLayer(layer, sent, true).keys()], "a vanished one stays while routes read it").toContain("w.9.a");
});
