import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bitString, boolean, context, namedBits, octetString, oid, sequence, time, unsignedInteger, utf8String } from "./der.ts";
import { readCertificate } from "./der-reader.ts";
import { makeRoot } from "./leaf.ts";
import { testSurroundings } from "./testing/world.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const text = (bytes: Uint8Array) => Buffer.from(bytes.subarray(2)).toString("latin1");

describe("DER", () => {
  it.each([
    ["zero", unsignedInteger(Uint8Array.of(0)), "020100"],
    ["an integer with leading zeros", unsignedInteger(Uint8Array.of(0, 0, 5)), "020105"],
    ["an integer with its highest bit set", unsignedInteger(Uint8Array.of(0x80)), "02020080"],
    ["an empty integer", unsignedInteger(new Uint8Array()), "020100"],
    ["true", boolean(true), "0101ff"],
    ["key usage digitalSignature", namedBits(0), "03020780"],
    ["key usage keyCertSign, cRLSign", namedBits(5, 6), "03020106"],
    ["a ninth bit", namedBits(8), "0303070080"],
    ["ecdsa-with-SHA256", oid("1.2.840.10045.4.3.2"), "06082a8648ce3d040302"],
    ["subjectAltName", oid("2.5.29.17"), "0603551d11"],
    ["bits", bitString(Uint8Array.of(1)), "03020001"],
    ["a nested element", sequence(octetString(Uint8Array.of(1)), utf8String("é")), "300704010" + "10c02c3a9"],
    ["context tags", context(3, true, context(0, false)), "a3028000"],
  ])("writes %s", (_, bytes, expected) => {
    expect(hex(bytes)).toBe(expected);
  });

  it("writes lengths in the shortest form", () => {
    expect(hex(octetString(new Uint8Array(127)).subarray(0, 2))).toBe("047f");
    expect(hex(octetString(new Uint8Array(128)).subarray(0, 3))).toBe("048180");
    expect(hex(octetString(new Uint8Array(256)).subarray(0, 4))).toBe("04820100");
    expect(hex(octetString(new Uint8Array(65_536)).subarray(0, 5))).toBe("0483010000");
  });

  it("writes times of both kinds", () => {
    expect(text(time(Date.UTC(2049, 11, 31, 23, 59, 59, 999)))).toBe("491231235959Z");
    expect(text(time(Date.UTC(2050, 0, 1)))).toBe("20500101000000Z");
  });
});

describe("reading certificates", () => {
  const der = Buffer.from(
    makeRoot({ trustDomain: "a", lifetimeMs: 1e9 }, testSurroundings()).certificatePem.replace(/-----.*-----|\s/g, ""),
    "base64",
  );

  it("never throws on mutated, cut or random bytes", () => {
    const mutated = fc
      .array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) => changes.reduce((bytes, [at, value]) => bytes.with(at, value), Uint8Array.from(der)));
    const cut = fc.nat(der.length).map((size) => der.subarray(0, size));
    fc.assert(
      fc.property(fc.oneof(mutated, cut, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const read = readCertificate(bytes);
        if (bytes.length < der.length && der.subarray(0, bytes.length).equals(bytes)) expect(read).toBeUndefined();
        expect(read === undefined || read.subject.length > 0).toBe(true);
      }),
      { seed: 4, numRuns: 3000 },
    );
  });

  it("refuses lengths that lie", () => {
    for (const bytes of ["3080", "3084ffffffff", "3085000000000100", "30820fff00", "30", ""])
      expect(readCertificate(Buffer.from(bytes, "hex"))).toBeUndefined();
  });
});
