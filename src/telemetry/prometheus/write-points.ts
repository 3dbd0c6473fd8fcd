// Many points → Prometheus text, quickly: a page of fifty proxies has tens of thousands of lines, nearly all of them labels that were there before.
// Families aren't built; a series' labels are put into text once for all its lines, and kept as long as the labels are.

import type { Labels, Point, SeriesName } from "../point.ts";
import { labelName } from "./family.ts";
import { escapeValue, headText, numberText, type TextFormat } from "./write-text.ts";

/** A point, the name it is shown under, and text of further labels. */
export interface ShownPoint {
  readonly name: string;
  readonly point: Point;
  /** For example `pod="a",namespace="b"`; "" for none. */
  readonly more: string;
}

export interface WritePointsOptions {
  readonly format: TextFormat;
  readonly helpOf: (name: string) => string | undefined;
  /** Labels that aren't shown. */
  readonly hidden: ReadonlySet<string>;
}

/** Of a piece of text, about: small enough that others get their turn in between. */
const pieceCharacters = 256 * 1024;

/** The text in pieces, families sorted by name; points whose name and labels are equal are added up. Without OpenMetrics' end. */
export function* writePoints(points: Iterable<ShownPoint>, options: WritePointsOptions): Generator<string> {
  const families = new Map<string, Map<string, Point>>();
  for (const { name, point, more } of points) {
    const series = families.get(name) ?? new Map<string, Point>();
    families.set(name, series);
    const own = labelText(point.labels, options.hidden);
    const key = own === "" || more === "" ? `${own}${more}` : `${own},${more}`;
    const known = series.get(key);
    series.set(key, known === undefined ? point : sumOf(known, point));
  }
  const { format, helpOf } = options;
  for (const name of [...families.keys()].sort()) {
    const series = families.get(name) ?? new Map<string, Point>();
    const [first] = series.values();
    let text = headText({ name, type: first?.kind ?? "unknown", help: helpOf(name), samples: [{ name, labels: [], value: 0 }] }, format);
    for (const [labels, point] of series) {
      text += linesOf(name, labels, point);
      if (text.length < pieceCharacters) continue;
      yield text;
      text = "";
    }
    yield text;
  }
}

const texts = new WeakMap<Labels, string>();

/** The same labels are the same object again and again; which ones are hidden never differs. */
function labelText(labels: SeriesName["labels"], hidden: ReadonlySet<string>): string {
  const known = texts.get(labels);
  if (known !== undefined) return known;
  const text = labelPairs(labels, hidden);
  texts.set(labels, text);
  return text;
}

/** Labels as text, without braces; those that are "" count as missing. */
export function labelPairs(labels: Labels, hidden: ReadonlySet<string> = new Set()): string {
  return Object.entries(labels)
    .filter(([label, value]) => value !== "" && labelName.test(label) && !hidden.has(label))
    .map(([label, value]) => `${label}="${escapeValue(value)}"`)
    .join(",");
}

function linesOf(name: string, labels: string, point: Point): string {
  const braced = labels === "" ? "" : `{${labels}}`;
  if (point.kind !== "histogram") return `${name}${braced} ${numberText(point.value)}\n`;
  const prefix = labels === "" ? `${name}_bucket{le="` : `${name}_bucket{${labels},le="`;
  let text = "";
  let below = 0;
  for (const [index, count] of point.counts.entries()) {
    below += count;
    text += `${prefix}${numberText(point.bounds[index] ?? Number.POSITIVE_INFINITY)}"} ${below}\n`;
  }
  return `${text}${name}_sum${braced} ${numberText(point.sum)}\n${name}_count${braced} ${below}\n`;
}

function sumOf(one: Point, other: Point): Point {
  if (one.kind === "histogram") {
    if (other.kind !== "histogram" || one.counts.length !== other.counts.length) return one;
    return { ...one, counts: one.counts.map((count, index) => count + (other.counts[index] ?? 0)), sum: one.sum + other.sum };
  }
  return other.kind === "histogram" ? one : { ...one, value: one.value + other.value };
}
