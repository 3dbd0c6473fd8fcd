// What Envoy's admin endpoint says of its stats, as JSON or as Prometheus' text → points, as src/telemetry reads them from the stat sink. For comparing ways.

import { z } from "zod";
import { type CompositeTag, joinedTag } from "../../src/telemetry/composite-tags.ts";
import type { Labels, Point } from "../../src/telemetry/point.ts";
import type { Family } from "../../src/telemetry/prometheus/family.ts";
import { parseText } from "../../src/telemetry/prometheus/parse-text.ts";

/** What the stat sink sends as well. */
const filter = encodeURIComponent("^(istio_|lateen_|server\\.uptime$)");

/** How it is asked, and read. */
export const adminForms = {
  json: { path: `/stats?format=json&usedonly&histogram_buckets=cumulative&filter=${filter}`, pointsOf: jsonPoints },
  prometheus: { path: `/stats/prometheus?usedonly&filter=${filter}`, pointsOf: textPoints },
} as const;

const bucketSchema = z.object({ upper_bound: z.number(), cumulative: z.number() });
const statsSchema = z.object({
  stats: z.array(
    z.union([
      z.object({ name: z.string(), value: z.number() }),
      z.object({ histograms: z.array(z.object({ name: z.string(), buckets: z.array(bucketSchema) })) }),
    ]),
  ),
});

/** Without sums, and without what is beyond the last bound: the admin's JSON says neither. */
export function jsonPoints(body: string): readonly Point[] {
  const input: unknown = JSON.parse(body);
  return statsSchema.parse(input).stats.flatMap((stat): readonly Point[] => {
    if ("name" in stat) return [{ kind: "counter", ...namedOf(stat.name), value: stat.value }];
    return stat.histograms.map(({ name, buckets }) => ({
      kind: "histogram",
      ...namedOf(name),
      bounds: buckets.map(({ upper_bound }) => upper_bound),
      counts: [...buckets.map(({ cumulative }, at) => cumulative - (buckets[at - 1]?.cumulative ?? 0)), 0],
      sum: 0,
    }));
  });
}

/** All in one, or in the order in which the proxy's logger has them, see src/translate/filter/stats-tags.ts. */
const tagNames = [joinedTag, "traffic", "source", "destination", "service", "response", "security"] as const satisfies readonly (
  | typeof joinedTag
  | CompositeTag
)[];

/** The tags are in the name, "istio_request_bytes.tags.source;http~;…": who knows their names and order can guess where they begin. */
function namedOf(whole: string): { readonly name: string; readonly labels: Labels } {
  const begins: { readonly tag: string; readonly at: number; readonly from: number }[] = [];
  for (const tag of tagNames) {
    const at = whole.indexOf(`.${tag}.`, begins.at(-1)?.from ?? 0);
    if (at >= 0) begins.push({ tag, at, from: at + tag.length + 2 });
  }
  const labels = begins.map(({ tag, from }, index) => [tag, whole.slice(from, begins[index + 1]?.at)] as const);
  return { name: whole.slice(0, begins[0]?.at), labels: Object.fromEntries(labels) };
}

/** Of text with Envoy's prefix before each name. */
export function textPoints(body: string): readonly Point[] {
  return parseText(body).families.flatMap((family) => (family.type === "histogram" ? histograms(family) : numbers(family)));
}

function nameOf({ name }: Family): string {
  return name.replace(/^envoy_/, "");
}

function numbers(family: Family): readonly Point[] {
  const kind = family.type === "counter" ? "counter" : "gauge";
  return family.samples.map(({ labels, value }) => ({ kind, name: nameOf(family), labels: Object.fromEntries(labels), value }));
}

interface Growing {
  readonly labels: Labels;
  readonly bounds: number[];
  readonly counts: number[];
  before: number;
  sum: number;
}

/** Buckets stand in ascending order, `+Inf` last, those of one series together. */
function histograms(family: Family): readonly Point[] {
  const series = new Map<string, Growing>();
  for (const { name, labels, value } of family.samples) {
    const tags = labels.filter(([label]) => label !== "le");
    const bound = labels.find(([label]) => label === "le")?.[1];
    const key = tags.join("\n");
    const growing = series.get(key) ?? { labels: Object.fromEntries(tags), bounds: [], counts: [], before: 0, sum: 0 };
    series.set(key, growing);
    if (name.endsWith("_sum")) growing.sum = value;
    if (bound === undefined) continue;
    if (bound !== "+Inf") growing.bounds.push(Number(bound));
    growing.counts.push(value - growing.before);
    growing.before = value;
  }
  return [...series.values()].map(({ before: _total, ...rest }) => ({ kind: "histogram", name: nameOf(family), ...rest }));
}
