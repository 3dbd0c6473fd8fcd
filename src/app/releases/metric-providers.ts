// Metrics that the mesh doesn't measure: asks Prometheus or a webhook while a run needs them, and puts what came on top into the newest sample.
// A provider that is down, or answers nonsense, says nothing of any version: it is named as a problem, and counting begins anew when it is back.

import type { Release, ReleaseMetric } from "../../api/release/release.ts";
import type { ArmSecond, SampleSecond } from "../../release/observation.ts";
import { type CallOptions, callAddress } from "./call-address.ts";
import {
  type Counted,
  newCounts,
  prometheusCounts,
  prometheusLabels,
  prometheusSums,
  type VersionCounts,
  webhookCounts,
} from "./metric-answers.ts";

export interface MetricProvidersOptions {
  readonly allowance: CallOptions["allowance"];
  readonly nowMs: () => number;
  /** Time between two questions; 2 s unless given. */
  readonly everyMs?: number;
}

const defaultEveryMs = 2000;
/** Longer than a hiccup (as release/guard.ts' blindAfterMs): then the provider is down. */
const downAfterMs = 5000;
const timeoutMs = 5000;
const maxBytes = 4_000_000;
/** Prometheus' own (its --web.listen-address). */
const defaultAddress = "http://127.0.0.1:9090";

type Pending = Map<string, { trials: number; events: number }>;

/** One metric of one run. */
interface Poll {
  readonly metric: ReleaseMetric;
  asking: boolean;
  askedAt: number;
  answeredAt: number;
  /** The last answer's counts; undefined before the first and after a failure: who was away may have counted anything. */
  before: VersionCounts | undefined;
  problem: string | undefined;
  readonly pending: Pending;
}

export class MetricProviders {
  readonly #options: MetricProvidersOptions;
  readonly #runs = new Map<string, { readonly run: string; readonly polls: readonly Poll[] }>();
  readonly #asking = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: MetricProvidersOptions) {
    this.#options = options;
  }

  close(): void {
    this.#isClosed = true;
    this.#runs.clear();
  }

  /** Asks where it is time to, and adds what answers brought to the newest sample. Called at each decision while a run goes. */
  withMetrics(release: Release, run: string, samples: readonly SampleSecond[]): readonly SampleSecond[] {
    const polls = this.#pollsOf(release, run);
    for (const poll of polls) this.#askInTime(release, poll);
    const newest = samples.at(-1);
    const waiting = polls.filter(({ pending }) => pending.size > 0);
    if (newest === undefined || waiting.length === 0) return samples;
    return [...samples.slice(0, -1), { second: newest.second, arms: armsWith(newest.arms, waiting) }];
  }

  /** Resolves when nobody is being asked: for tests. */
  async settled(): Promise<void> {
    while (this.#asking.size > 0) await Promise.all(this.#asking);
  }

  /** Metrics whose provider is down, each with the reason. */
  problemsOf(release: Release): Readonly<Record<string, string>> {
    const polls = this.#runs.get(keyOf(release))?.polls ?? [];
    const now = this.#options.nowMs();
    return Object.fromEntries(
      polls.flatMap(({ metric, problem, answeredAt }) =>
        problem === undefined || now - answeredAt < downAfterMs ? [] : [[metric.name, problem] as const],
      ),
    );
  }

  /** A release without a run asks nobody. */
  forget(release: Release): void {
    this.#runs.delete(keyOf(release));
  }

  #pollsOf(release: Release, run: string): readonly Poll[] {
    const key = keyOf(release);
    const metrics = release.spec.analysis.metrics.filter(({ provider }) => provider !== undefined);
    const known = this.#runs.get(key);
    const isSame =
      known?.run === run &&
      known.polls.length === metrics.length &&
      known.polls.every(({ metric }, index) => isEqual(metric, metrics[index]));
    if (isSame) return known.polls;
    const now = this.#options.nowMs();
    const polls = metrics.map((metric): Poll => {
      // Who was down stays so until the new question is answered.
      const old = known?.run === run ? known.polls.find((poll) => poll.metric.name === metric.name) : undefined;
      const { answeredAt = now, problem } = old ?? {};
      return { metric, asking: false, askedAt: 0, answeredAt, before: undefined, problem, pending: new Map() };
    });
    this.#runs.set(key, { run, polls });
    return polls;
  }

  #askInTime(release: Release, poll: Poll): void {
    const { nowMs, everyMs = defaultEveryMs } = this.#options;
    if (poll.asking || this.#isClosed || nowMs() - poll.askedAt < everyMs) return;
    poll.asking = true;
    poll.askedAt = nowMs();
    const asking = this.#ask(release, poll.metric).then((answer) => {
      poll.asking = false;
      this.#asking.delete(asking);
      this.#take(poll, answer);
    });
    this.#asking.add(asking);
  }

  #take(poll: Poll, answer: Counted): void {
    if ("problem" in answer) {
      poll.problem = answer.problem;
      poll.before = undefined;
      return;
    }
    for (const [version, { trials, events }] of newCounts(poll.before ?? new Map(), answer.counts)) {
      const sum = poll.pending.get(version) ?? { trials: 0, events: 0 };
      poll.pending.set(version, { trials: sum.trials + trials, events: sum.events + events });
    }
    poll.before = answer.counts;
    poll.problem = undefined;
    poll.answeredAt = this.#options.nowMs();
  }

  async #ask({ metadata, spec }: Release, metric: ReleaseMetric): Promise<Counted> {
    const limits = { allowance: this.#options.allowance, timeoutMs, maxBytes };
    if (metric.provider === "webhook") {
      const { namespace, name } = metadata;
      const body = JSON.stringify({ namespace, release: name, service: spec.service, metric: metric.name });
      const call = { method: "POST", url: metric.query ?? "", headers: { "content-type": "application/json" }, body } as const;
      return textOf(await callAddress(call, limits), webhookCounts);
    }
    // Both at one instant, or events could outrun what was tried.
    const time = String(this.#options.nowMs() / 1000);
    const labels = prometheusLabels(spec.versions.label);
    const [events, total] = await Promise.all(
      [metric.query, metric.total].map(async (query = "") => {
        const base = (metric.address ?? defaultAddress).replace(/\/+$/, "");
        const url = `${base}/api/v1/query?${new URLSearchParams({ query, time }).toString()}`;
        return textOf(await callAddress({ method: "GET", url, headers: { accept: "application/json" } }, limits), (text) =>
          prometheusSums(text, labels),
        );
      }),
    );
    if (events === undefined || total === undefined) return { problem: "it wasn't asked" };
    if ("problem" in events) return events;
    return "problem" in total ? total : prometheusCounts(events.sums, total.sums);
  }
}

function textOf<Value>(
  answer: Awaited<ReturnType<typeof callAddress>>,
  read: (text: string) => Value,
): Value | { readonly problem: string } {
  if ("problem" in answer) return answer;
  return answer.status === 200 ? read(answer.text) : { problem: `it answered ${answer.status}` };
}

function armsWith(arms: SampleSecond["arms"], polls: readonly Poll[]): SampleSecond["arms"] {
  const result = new Map<string, ArmSecond>(Object.entries(arms));
  for (const { metric, pending } of polls) {
    for (const [version, counts] of pending) {
      const arm = result.get(version) ?? { requests: 0, errors: 0 };
      result.set(version, { ...arm, metrics: { ...arm.metrics, [metric.name]: counts } });
    }
    pending.clear();
  }
  return Object.fromEntries(result);
}

function keyOf({ metadata }: Release): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function isEqual(one: ReleaseMetric, other: ReleaseMetric | undefined): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
