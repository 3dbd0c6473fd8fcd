// Families of several sources (a proxy's own, its application's) → one list, in which each family and each series stands once. Also points → families.

import type { HistogramPoint, Point } from "../point.ts";
import { seriesKey } from "../point.ts";
import { type Family, type FamilyType, suffixes, type TextSample } from "./family.ts";
import { numberText } from "./write-text.ts";

export interface Merged {
  readonly families: readonly Family[];
  /** Series that an earlier source had already. */
  readonly duplicates: number;
}

/** Joins sources; the first one's type and help stand. What another type of the same name has beside stands alone, without a type. */
export function mergeFamilies(sources: readonly (readonly Family[])[]): Merged {
  const merged = new Map<string, { family: Family; samples: TextSample[]; keys: Set<string> }>();
  let duplicates = 0;
  const place = (family: Family, sample: TextSample) => {
    const known = merged.get(family.name) ?? { family, samples: [], keys: new Set<string>() };
    merged.set(family.name, known);
    const key = seriesKey({ name: sample.name, labels: Object.fromEntries(sample.labels) });
    if (known.keys.has(key)) duplicates += 1;
    else {
      known.keys.add(key);
      known.samples.push(sample);
    }
  };
  for (const family of sources.flat().map(withSuffix)) {
    const first = merged.get(family.name)?.family ?? family;
    for (const sample of family.samples) {
      const isPart = sample.name === first.name || suffixes[first.type].some((suffix) => sample.name === `${first.name}${suffix}`);
      const isCreated = sample.name === first.name.replace(/_total$/, "_created");
      place(isPart || isCreated ? first : { name: sample.name, type: "unknown", help: undefined, samples: [] }, sample);
    }
  }
  return { families: [...merged.values()].map(({ family, samples }) => ({ ...family, samples })), duplicates };
}

/** OpenMetrics' counters have "_total" in their samples' names only, 0.0.4's in the family's too: the same family. */
function withSuffix(family: Family): Family {
  const { name, type, samples } = family;
  const isBare = type === "counter" && !name.endsWith("_total") && samples.some((sample) => sample.name === `${name}_total`);
  return isBare ? { ...family, name: `${name}_total` } : family;
}

/**
 * Points as families, sorted by name. Points whose name and labels are equal are added up: labels that only we know were left out before.
 * `helpOf` gives HELP texts.
 */
export function familiesOf(points: Iterable<Point>, helpOf: (name: string) => string | undefined): readonly Family[] {
  const summed = new Map<string, Point>();
  for (const point of points) {
    const key = seriesKey(point);
    const known = summed.get(key);
    summed.set(key, known === undefined ? point : sumOf(known, point));
  }
  return [...Map.groupBy(summed.values(), ({ name }) => name)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, same]) => {
      const type: FamilyType = same[0]?.kind ?? "unknown";
      return { name, type, help: helpOf(name), samples: same.flatMap(samplesOf) };
    });
}

function sumOf(one: Point, other: Point): Point {
  if (one.kind === "histogram") {
    if (other.kind !== "histogram" || one.counts.length !== other.counts.length) return one;
    return { ...one, counts: one.counts.map((count, index) => count + (other.counts[index] ?? 0)), sum: one.sum + other.sum };
  }
  return other.kind === "histogram" ? one : { ...one, value: one.value + other.value };
}

function samplesOf(point: Point): readonly TextSample[] {
  const labels = Object.entries(point.labels);
  if (point.kind !== "histogram") return [{ name: point.name, labels, value: point.value }];
  return histogramSamples(point, labels);
}

function histogramSamples({ name, bounds, counts, sum }: HistogramPoint, labels: TextSample["labels"]): readonly TextSample[] {
  let below = 0;
  const buckets = counts.map((count, index): TextSample => {
    below += count;
    return { name: `${name}_bucket`, labels: [...labels, ["le", numberText(bounds[index] ?? Number.POSITIVE_INFINITY)]], value: below };
  });
  return [...buckets, { name: `${name}_sum`, labels, value: sum }, { name: `${name}_count`, labels, value: below }];
}
