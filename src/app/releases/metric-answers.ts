// What providers of metrics answer -> counts since ever, by version; or why it is nonsense. Pure: asks nobody.

import { z } from "zod";

/** Trials and events since ever, by the value of the version label. */
export type VersionCounts = ReadonlyMap<string, { readonly trials: number; readonly events: number }>;

export type Counted = { readonly counts: VersionCounts } | { readonly problem: string };

const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const webhookSchema = z.record(z.string(), z.object({ trials: count, events: count }));

/** More versions than a service ever has. */
const mostVersions = 1000;

/** A webhook's answer: {"<version>": {"trials": n, "events": n}}. */
export function webhookCounts(text: string): Counted {
  const answer = webhookSchema.safeParse(jsonOf(text));
  if (!answer.success) return { problem: 'it answered something else than {"<version>": {"trials": n, "events": n}}' };
  const entries = Object.entries(answer.data);
  if (entries.length > mostVersions) return { problem: `it answered more than ${mostVersions} versions` };
  return checked(new Map(entries.map(([version, { trials, events }]) => [version, { trials, events }])));
}

const vectorSchema = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

export type Summed = { readonly sums: ReadonlyMap<string, number> } | { readonly problem: string };

/** Prometheus' names have neither dots nor slashes: "app.kubernetes.io/version" is app_kubernetes_io_version there (as kube-state-metrics makes it). */
export function prometheusLabels(label: string): readonly string[] {
  return [...new Set([label.replace(/[^a-zA-Z0-9_]/g, "_"), "version"])];
}

/** Prometheus' answer to an instant query, added up by version. */
export function prometheusSums(text: string, labels: readonly string[]): Summed {
  const answer = vectorSchema.safeParse(jsonOf(text));
  if (!answer.success) return { problem: "it answered no instant vector" };
  const sums = new Map<string, number>();
  for (const { metric, value } of answer.data.data.result) {
    const label = labels.find((name) => Object.hasOwn(metric, name));
    const number = Number(value[1]);
    if (label === undefined) return { problem: `a series has no label ${labels.join(" or ")}` };
    if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) return { problem: `a series has the value ${value[1].slice(0, 20)}` };
    const version = metric[label] ?? "";
    sums.set(version, (sums.get(version) ?? 0) + number);
    if (sums.size > mostVersions) return { problem: `it answered more than ${mostVersions} versions` };
  }
  return { sums };
}

/** Events and trials of two queries in one; a version without a series of events has none yet. */
export function prometheusCounts(events: ReadonlyMap<string, number>, total: ReadonlyMap<string, number>): Counted {
  const orphan = [...events].find(([version, number]) => number > 0 && !total.has(version));
  if (orphan !== undefined) return { problem: `query counts events of ${JSON.stringify(orphan[0].slice(0, 80))}, and total doesn't` };
  return checked(new Map([...total].map(([version, trials]) => [version, { trials, events: events.get(version) ?? 0 }])));
}

function checked(counts: VersionCounts): Counted {
  // Traffic of stable at least is there in any run: who counts nobody, counts something else.
  if (counts.size === 0) return { problem: "it counts no version" };
  const wrong = [...counts].find(([, { trials, events }]) => events > trials);
  if (wrong === undefined) return { counts };
  return { problem: `it counts more events than trials of ${JSON.stringify(wrong[0].slice(0, 80))}` };
}

/** What came on top between two answers; nothing of a version whose counters began anew or are seen first, or that make no sense together. */
export function newCounts(before: VersionCounts, now: VersionCounts): VersionCounts {
  const grown = new Map<string, { readonly trials: number; readonly events: number }>();
  for (const [version, { trials, events }] of now) {
    const known = before.get(version);
    if (known === undefined) continue;
    const more = { trials: Math.round(trials - known.trials), events: Math.round(events - known.events) };
    if (more.trials > 0 && more.events >= 0 && more.events <= more.trials) grown.set(version, more);
  }
  return grown;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
