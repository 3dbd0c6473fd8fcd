// Logs as an OpenTelemetry sender writes them, read by hand: equal to what the schema says, and bounded for bytes that nobody should send.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExportLogsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.js";
import { BadInput } from "../lib/errors.ts";
import { parseOtlpLogs } from "./otlp-logs.ts";

type Request = MessageInitShape<typeof ExportLogsServiceRequestSchema>;

function bytesOf(request: Request): Uint8Array {
  return toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, request));
}

function text(key: string, value: string) {
  return { key, value: { value: { case: "stringValue", value } } } as const;
}

const request = {
  resourceLogs: [
    {
      resource: { attributes: [text("log_name", "connections"), text("node_name", "web-1.shop")] },
      schemaUrl: "https://example.com",
      scopeLogs: [
        {
          scope: { name: "envoy" },
          logRecords: [
            {
              timeUnixNano: 1_800_000_000_500_000_000n,
              severityText: "INFO",
              flags: 1,
              body: { value: { case: "stringValue", value: "a line" } },
              attributes: [
                text("sent", "15"),
                { key: "int", value: { value: { case: "intValue", value: -7n } } },
                { key: "bool", value: { value: { case: "boolValue", value: true } } },
                { key: "double", value: { value: { case: "doubleValue", value: 1.5 } } },
                { key: "list", value: { value: { case: "arrayValue", value: { values: [] } } } },
                text("__proto__", "x"),
              ],
              traceId: new Uint8Array([0, 1, 255]),
              spanId: new Uint8Array([2]),
            },
          ],
        },
      ],
    },
  ],
} as const satisfies Request;

test("what Envoy's loggers send", () => {
  const [logs, ...more] = parseOtlpLogs(bytesOf(request));
  expect(more).toEqual([]);
  expect(logs).toMatchObject({ logName: "connections", skipped: 0, resource: { node_name: "web-1.shop" } });
  const [record] = logs?.records ?? [];
  expect(record).toMatchObject({ timeMs: 1_800_000_000_500, body: "a line", traceId: "0001ff", spanId: "02" });
  expect(Object.entries(record?.attributes ?? {})).toEqual([
    ["sent", "15"],
    ["int", "-7"],
    ["bool", "true"],
    ["double", "1.5"],
    ["list", ""],
    ["__proto__", "x"],
  ]);
});

describe("what nobody should send", () => {
  test("any bytes, and any cut or changed message: an answer or BadInput", () => {
    const good = bytesOf(request);
    const changed = fc
      .record({ at: fc.nat(good.length - 1), byte: fc.nat(255), length: fc.nat(good.length) })
      .map(({ at, byte, length }) => {
        const bytes = good.slice(0, length);
        if (at < length) bytes[at] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
        try {
          parseOtlpLogs(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(BadInput);
        }
      }),
      { seed: 5, numRuns: 2000 },
    );
  });

  test("values nested deeper than any stack are skipped unread", () => {
    const value = new BinaryWriter().tag(5, WireType.LengthDelimited).bytes(nested(5000)).finish();
    const attribute = new BinaryWriter().tag(1, WireType.LengthDelimited).string("deep").tag(2, WireType.LengthDelimited).bytes(value);
    const bytes = wrapped(attribute.finish(), [6, 2, 2, 1]);
    expect(parseOtlpLogs(bytes)[0]?.records[0]?.attributes).toEqual({ deep: "" });
  });

  test("groups are refused, however deep", () => {
    expect(() => parseOtlpLogs(new Uint8Array(1_000_000).fill(0x0b))).toThrow(BadInput);
  });

  test("more records, attributes and text than anybody needs are left out", () => {
    const many = { logRecords: Array.from({ length: 20_005 }, () => ({})) };
    expect(parseOtlpLogs(bytesOf({ resourceLogs: [{ scopeLogs: [many] }] }))[0]).toMatchObject({ skipped: 5 });
    const wide = { attributes: Array.from({ length: 1000 }, (_, index) => text(`a${index}`, "v")) };
    const long = { body: { value: { case: "stringValue", value: "x".repeat(100_000) } } } as const;
    const [logs] = parseOtlpLogs(bytesOf({ resourceLogs: [{ scopeLogs: [{ logRecords: [wide, long] }] }] }));
    expect(Object.keys(logs?.records[0]?.attributes ?? {})).toHaveLength(128);
    expect(logs?.records[1]?.body).toHaveLength(65_536);
  });
});

/** An ArrayValue in an AnyValue in an ArrayValue … */
function nested(depth: number): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  for (let level = 0; level < depth; level += 1) bytes = wrapped(bytes, [5, 1]);
  return bytes;
}

function wrapped(bytes: Uint8Array, fields: readonly number[]): Uint8Array {
  return fields.reduce<Uint8Array>((inner, field) => new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(inner).finish(), bytes);
}
