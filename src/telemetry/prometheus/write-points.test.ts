// The quick way says what families say.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Point } from "../point.ts";
import { familiesOf } from "./merge.ts";
import { labelPairs, type ShownPoint, writePoints } from "./write-points.ts";
import { type TextFormat, writeText } from "./write-text.ts";

const helpOf = (name: string) => (name === "b_total" ? 'with \\ and "quotes"\nand a line' : undefined);
const hidden = new Set(["mirrored"]);

const text = fc.string({ unit: fc.constantFrom("a", "\\", '"', "\n", "é", "{", ",", "="), maxLength: 3 });
const labels = fc.record({ x: text, y: text, mirrored: fc.constant("true") }, { requiredKeys: ["x", "mirrored"] });
const histogram = fc.record({
  kind: fc.constant("histogram"),
  name: fc.constant("h"),
  labels,
  counts: fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)),
});
const counter = fc.record({ kind: fc.constant("counter"), name: fc.constantFrom("a", "b_total"), labels, value: fc.nat(99) });

test("whatever the points, both ways print the same", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(histogram, counter)),
      fc.constantFrom<TextFormat>("prometheus", "openmetrics"),
      text,
      (given, format, pod) => {
        const points = given.map((point): Point => {
          if (point.kind === "counter") return { ...point, kind: "counter" };
          return { ...point, kind: "histogram", bounds: [0.5, 10], sum: 1.5 };
        });
        const shown = points.map((point): ShownPoint => ({ name: point.name, point, more: labelPairs({ pod }) }));
        const quick = [...writePoints(shown, { format, helpOf, hidden })].join("");
        const named = points.map((point): Point => {
          const { mirrored: _, ...others } = point.labels;
          return { ...point, labels: { ...others, pod } };
        });
        expect(quick).toBe([...writeText(familiesOf(named, helpOf), format)].join("").replace("# EOF\n", ""));
      },
    ),
    { seed: 3, numRuns: 300 },
  );
});

test("a large family comes in pieces", () => {
  const shown = Array.from({ length: 5000 }, (_, index): ShownPoint => {
    const point: Point = { kind: "counter", name: "c_total", labels: { x: "y".repeat(100), index: String(index) }, value: index };
    return { name: point.name, point, more: "" };
  });
  const pieces = [...writePoints(shown, { format: "prometheus", helpOf, hidden })];
  expect(pieces.length).toBeGreaterThan(2);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(300_000);
  expect(pieces.join("").split("\n")).toHaveLength(5002);
});
