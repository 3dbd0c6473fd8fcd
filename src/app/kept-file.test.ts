import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { MtlsPhases } from "../model/security.ts";
import { readKept, writeKept } from "./kept-file.ts";

const folder = mkdtempSync(join(tmpdir(), "lateen-kept-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kept = {
  settled: new Map([["prefix", { weights: [9000, 1000], structure: "abc" }]]),
  resolved: new Map([["api.example", ["192.0.2.1", "192.0.2.2"]]]),
  jwks: new Map([["https://keys.example/jwks", "{}"]]),
  mtls: new Map([
    ["web.shop", { server: { mode: "PERMISSIVE", ports: new Map() }, client: { mode: "STRICT", ports: new Map([[8080, "DISABLE"]]) } }],
  ]) satisfies MtlsPhases,
  mtlsInFlight: new Map([
    ["web.shop", { server: { mode: "STRICT", ports: new Map() }, client: { mode: "STRICT", ports: new Map() } }],
  ]) satisfies MtlsPhases,
};
const nothing = { settled: new Map(), resolved: new Map(), jwks: new Map(), mtls: new Map() };

test("what one process kept the next one reads; the file is replaced as a whole and only its owner's", () => {
  const path = join(folder, "kept.json");
  writeKept(path, nothing);
  writeKept(path, kept);
  expect(readKept(path)).toEqual(kept);
  expect(readdirSync(folder)).toEqual(["kept.json"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test.each([
  ["no file", undefined],
  ["half a file", '{"settled": [['],
  ["another shape", '{"settled": {"a": 1}, "resolved": []}'],
])("%s is nothing kept, not a failed start", (name, text) => {
  const path = join(folder, `${name}.json`);
  if (text !== undefined) writeFileSync(path, text);
  expect(readKept(path)).toEqual(nothing);
});
