// The table of kinds against what others say about the same kinds, and against itself.
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { codes } from "./codes.ts";
import { allKinds, kindByPlural, kindOf, kinds } from "./registry.ts";
import { fieldPaths } from "./schema-walk.ts";
import { declaredPaths, plainPath } from "./testing/declared-paths.ts";

const networking = ["VirtualService", "DestinationRule", "Gateway", "ServiceEntry"] as const;
const declared = [
  ...networking.flatMap((kind) => (["v1", "v1beta1", "v1alpha3"] as const).map((version) => [kind, version] as const)),
  ["Telemetry", "v1"] as const,
  ["Telemetry", "v1alpha1"] as const,
];

describe("fields", () => {
  test.each(declared)("every field of %s %s is known", (kind, version) => {
    const { group, schema } = kinds[kind];
    const paths = declaredPaths(`${group}/${version}/${kind}.d.ts`);
    const ours = new Set(fieldPaths(schema).map(plainPath));
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !ours.has(path))).toEqual([]);
  });

  test.each(allKinds().map((definition) => [definition.kind, definition] as const))(
    "notYet of %s names fields that exist",
    (_kind, definition) => {
      const known = new Set(fieldPaths(definition.schema).map((path) => path.replaceAll("[]", "")));
      const named = definition.notYet.map((entry) => entry.replace(/!?=.*$/, "").replaceAll("[]", ""));
      expect(named.filter((path) => !known.has(path))).toEqual([]);
    },
  );
});

describe("registry", () => {
  test("finds kinds by apiVersion and by plural", () => {
    expect(kindOf("networking.istio.io/v1alpha3", "VirtualService")).toBe(kinds.VirtualService);
    expect(kindOf("networking.istio.io/v2", "VirtualService")).toBeUndefined();
    expect(kindOf("v1", "toString")).toBeUndefined();
    expect(kindByPlural("", "v1", "pods")).toBe(kinds.Pod);
    expect(kindByPlural("apps", "v1", "pods")).toBeUndefined();
  });

  test("names are unique", () => {
    const names = allKinds().flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.entries(kinds).filter(([name, definition]) => name !== definition.kind)).toEqual([]);
  });
});

describe("codes", () => {
  const source = fileURLToPath(new URL("..", import.meta.url));
  const files = globSync("**/*.ts", { cwd: source }).filter(
    (file) => !file.endsWith(".test.ts") && !/^api\/(?:release\/)?codes(?:\/[a-z]+)?\.ts$/.test(file),
  );
  const used = new Set(files.flatMap((file) => readFileSync(`${source}/${file}`, "utf8").match(/LTN\d{4}/g) ?? []));

  test("every code used is in the table", () => expect([...used].filter((code) => !Object.hasOwn(codes, code))).toEqual([]));

  test("every code of the table is used", () => expect(Object.keys(codes).filter((code) => !used.has(code))).toEqual([]));

  test("every code says what it means and what to do", () => {
    expect(Object.keys(codes)).toEqual(Object.keys(codes).toSorted());
    for (const { title, meaning, fix } of Object.values(codes)) expect([title, meaning, fix].every((text) => text.length > 4)).toBe(true);
  });
});
