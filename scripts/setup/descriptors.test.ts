// Descriptors found in bytes that look like a program's data section, and in the real Envoy binary.

import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ENVOY_ENTRIES } from "../envoy-entries.mjs";
import { closureOf, descriptorsIn, missingImports } from "./descriptors.mjs";
import { envoyOf } from "./locate.mjs";

const descriptor = (name: string, dependency: string[] = [], syntax = "proto3") =>
  Buffer.from(
    toBinary(
      FileDescriptorProtoSchema,
      create(FileDescriptorProtoSchema, { name, package: "p", dependency, messageType: [{ name: "M" }], syntax }),
    ),
  );
const noise = Buffer.from("\0\0see a/b.proto for more\0\n\x07x.proto\0");
const longName = `${"very/".repeat(30)}long.proto`;
const image = Buffer.concat([
  noise,
  descriptor("a.proto", ["b.proto", longName]),
  descriptor("b.proto", [longName]),
  noise,
  descriptor(longName),
  noise,
]);

describe("descriptors", () => {
  test("are found whole, also side by side and with long names, and noise is not taken for one", () => {
    const found = descriptorsIn(image);
    expect([...found.keys()].sort()).toEqual(["a.proto", "b.proto", longName]);
    expect(Buffer.from(found.get("a.proto")?.bytes ?? []).equals(descriptor("a.proto", ["b.proto", longName]))).toBe(true);
  });

  test("the closure puts imports first and names an entry that is missing", () => {
    const found = descriptorsIn(image);
    expect(closureOf(found, ["a.proto"]).map(({ name }) => name)).toEqual([longName, "b.proto", "a.proto"]);
    expect(() => closureOf(found, ["c.proto"])).toThrow("c.proto (named by scripts/envoy-entries.mjs) is not in this Envoy binary");
  });

  test("a missing import is named with the file that wants it", () => {
    const found = descriptorsIn(Buffer.concat([noise, descriptor("a.proto", ["gone.proto"])]));
    expect(missingImports(found)).toEqual([{ name: "gone.proto", importedBy: "a.proto" }]);
  });

  test("Envoy 1.40.0 holds 559 files, closed under imports, with every entry of ours", () => {
    const found = descriptorsIn(readFileSync(envoyOf() ?? ""));
    expect(found.size).toBe(559);
    expect(missingImports(found)).toEqual([]);
    expect(closureOf(found, ENVOY_ENTRIES).length).toBeGreaterThanOrEqual(ENVOY_ENTRIES.length);
    expect(ENVOY_ENTRIES).toEqual([...ENVOY_ENTRIES].sort());
  });
});
