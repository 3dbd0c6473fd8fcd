import { describe, expect, test } from "vitest";
import { guardJson, maxDepth } from "./json.ts";
import { parseManifests, parseResource } from "./parse.ts";

const many = 100_000;

function laughs(levels: number): string {
  const lines = Array.from({ length: levels }, (_, level) => `a${level + 1}: &a${level + 1} [${Array(9).fill(`*a${level}`).join(", ")}]`);
  return ["a0: &a0 [x, x, x, x, x, x, x, x, x]", ...lines].join("\n");
}

const bytes = (...values: number[]) => new Uint8Array(values);

/** Each must be refused with this code, without throwing or exhausting the machine. */
const bombs: readonly (readonly [title: string, text: string | Uint8Array, code: string])[] = [
  ["nested sequences in one line", "- ".repeat(many), "LTN0003"],
  ["nested explicit keys", "? ".repeat(many), "LTN0003"],
  ["nested empty keys", ": ".repeat(many), "LTN0003"],
  ["nested keys in one line", "a: ".repeat(many), "LTN0003"],
  ["mixed block indicators", "- ? - ? ".repeat(many / 4), "LTN0003"],
  ["open brackets", "[".repeat(many), "LTN0003"],
  ["balanced brackets", "[".repeat(many) + "]".repeat(many), "LTN0003"],
  ["nested flow maps", "{a: ".repeat(many), "LTN0003"],
  ["nested flow pairs", `[${"a: ".repeat(many)}]`, "LTN0003"],
  ["deep JSON", `${'{"a":'.repeat(many)}1${"}".repeat(many)}`, "LTN0003"],
  ["deep indentation", Array.from({ length: 1500 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"), "LTN0003"],
  ["billion laughs", laughs(12), "LTN0003"],
  ["an alias of itself", "a: &a [*a]", "LTN0002"],
  ["an alias of nothing", "a: *b", "LTN0002"],
  ["text multiplied by aliases", `a: &a ${"x".repeat(50_000)}\nb: [${"*a, ".repeat(200)}]`, "LTN0003"],
  ["a million keys", Array.from({ length: 1_000_000 }, (_, index) => `k${index}: 1`).join("\n"), "LTN0003"],
  ["many keys in little text", `{${Array.from({ length: 180_000 }, (_, index) => index.toString(36)).join(",")}}`, "LTN0003"],
  ["duplicate keys", "a: 1\nb: 2\na: 3", "LTN0004"],
  ["duplicate keys in JSON", '{"a": 1, "a": 2}', "LTN0004"],
  ["NUL", "a: b\0c", "LTN0001"],
  ["an escape character", "a: \u001b[31m", "LTN0001"],
  ["UTF-16", bytes(0xff, 0xfe, 0x61, 0x00), "LTN0001"],
  ["invalid UTF-8", bytes(0x61, 0x3a, 0x20, 0xc3, 0x28), "LTN0001"],
  ["a lone surrogate", "a: \ud800", "LTN0001"],
  ["__proto__", '{"__proto__": {"polluted": 1}}', "LTN0005"],
  ["constructor.prototype", "constructor: {prototype: {polluted: 1}}", "LTN0005"],
  ["__proto__ by merge key", "x: &x {__proto__: {polluted: 1}}\ny: {<<: *x}", "LTN0005"],
  ["an integer beyond 2^53", "a: 9007199254740993", "LTN0010"],
  ["infinity", "a: .inf", "LTN0103"],
  ["an unknown tag", "a: !!js/function 'x'", "LTN0002"],
  ["a mapping as key", "{a: 1}: 2", "LTN0002"],
];

describe("bombs and poison", () => {
  test.each(bombs)("%s", (_title, text, code) => {
    const { resources, diagnostics } = parseManifests(text, { file: "bomb.yaml" });
    expect(resources).toEqual([]);
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
    expect(diagnostics[0]?.position?.file).toBe("bomb.yaml");
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  test("a byte order mark is no harm", () => {
    const { resources } = parseManifests(bytes(0xef, 0xbb, 0xbf, ...new TextEncoder().encode(configMap("a"))), { file: "a.yaml" });
    expect(resources).toHaveLength(1);
  });

  test("a bomb stops no other document", () => {
    const text = [configMap("a"), "[".repeat(many), configMap("b"), "a: [", configMap("c")].join("\n---\n");
    const { resources, diagnostics } = parseManifests(text, { file: "a.yaml" });
    expect(resources.map(({ raw }) => raw["metadata"])).toMatchObject([{ name: "a" }, { name: "b" }, { name: "c" }]);
    expect(diagnostics.map(({ code }) => code)).toEqual(["LTN0003", "LTN0002"]);
  });

  test("depth by the API is limited as well", () => {
    const deep = Array.from({ length: 10_000 }).reduce<unknown>((inner) => ({ a: inner }), 1);
    expect(parseResource(deep).diagnostics.map(({ code }) => code)).toEqual(["LTN0003"]);
    expect(parseResource(JSON.parse('{"kind": "ConfigMap", "__proto__": {"polluted": true}}')).diagnostics.map(({ code }) => code)).toEqual(
      ["LTN0005"],
    );
    const ordinary = Array.from({ length: maxDepth - 1 }).reduce<unknown>((inner) => ({ a: inner }), 1);
    expect(guardJson(ordinary).findings).toEqual([]);
  });

  test("cyclic objects by the API are refused", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(parseResource(cycle).diagnostics.map(({ code }) => code)).toEqual(["LTN0003"]);
  });
});

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`;
}
