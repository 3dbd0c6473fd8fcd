// Zeros for requests without a body: as many as there should be, whatever is hidden, lost or new. Hand-made values; real ones: translate/filter's tests.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BodilessRequests } from "./bodiless-requests.ts";
import { joinedTag } from "./composite-tags.ts";
import { type Delta, ExactCounters } from "./exact-counters.ts";
import { countOf, type HistogramPoint, seriesKey } from "./point.ts";

const bounds = [0.5, 10];
const [timed, sized] = ["istio_request_duration_milliseconds", "istio_request_bytes"] as const;
const joined = { [joinedTag]: "source;http" };

function histogram(name: string, counts: readonly number[], labels: Readonly<Record<string, string>> = joined): HistogramPoint {
  return { kind: "histogram", name, labels, bounds, counts, sum: 7 };
}

function delta(...series: Parameters<typeof histogram>): Delta {
  const point = histogram(...series);
  return { ...point, key: seriesKey(point) };
}

interface Lists {
  readonly deltas?: readonly Delta[];
  readonly before?: readonly Delta[];
}

/** What becomes of one proxy's observations: buckets of bytes, in both lists. */
function completed(...observations: readonly Lists[]) {
  const requests = new BodilessRequests();
  const bytes = (deltas: readonly Delta[]) => deltas.flatMap((one) => (one.kind === "histogram" && one.name === sized ? [one.counts] : []));
  return observations.map(({ deltas = [], before = [] }) => {
    const lists = requests.complete("web", { deltas, before });
    return [bytes(lists.deltas), bytes(lists.before)];
  });
}

describe("zeros", () => {
  test("are as many as durations are more", () => {
    const deltas = [delta(timed, [4, 5, 1]), delta(sized, [1, 2, 0])];
    const [first, ...more] = new BodilessRequests().complete("web", { deltas, before: [] }).deltas;
    expect(first).toEqual(deltas[0]);
    expect(more).toEqual([{ ...deltas[1], counts: [8, 2, 0] }]);
  });

  test("are a series of their own where nobody sent a body, under the key that it has when somebody does", () => {
    const deltas = [delta(timed, [4, 5, 1])];
    const zeros = { ...delta(sized, [10, 0, 0]), sum: 0 };
    expect(new BodilessRequests().complete("web", { deltas, before: [] }).deltas).toEqual([...deltas, zeros]);
  });

  test("are in the first bucket that 0 isn't beyond", () => {
    const below = { ...delta(timed, [3, 0, 0]), bounds: [-1, 2] };
    const beyond = { ...delta(timed, [3, 0, 0]), bounds: [-2, -1] };
    expect([completed({ deltas: [below] }), completed({ deltas: [beyond] })]).toEqual([[[[[0, 3, 0]], []]], [[[[0, 0, 3]], []]]]);
  });

  test("aren't added where all bytes are recorded, nor where tags come apart", () => {
    expect(completed({ deltas: [delta(timed, [1, 1, 1]), delta(sized, [0, 2, 1])] })).toEqual([[[[0, 2, 1]], []]]);
    expect(completed({ deltas: [delta(timed, [1, 1, 1], { traffic: "source;http" })] })).toEqual([[[], []]]);
    expect(completed({ deltas: [delta("istio_response_bytes", [1, 1, 1])] })).toEqual([[[], []]]);
  });

  test("are by labels", () => {
    const other = { [joinedTag]: "source;http~;other" };
    const deltas = [delta(timed, [1, 1, 1]), delta(sized, [0, 2, 0], other), delta(timed, [5, 0, 0], other)];
    expect(completed({ deltas })).toEqual([
      [
        [
          [3, 0, 0],
          [3, 2, 0],
        ],
        [],
      ],
    ]);
  });

  test("of before the watching began are counted then", () => {
    expect(completed({ before: [delta(timed, [9, 0, 0]), delta(sized, [0, 2, 0])] })).toEqual([[[], [[7, 2, 0]]]]);
  });
});

describe("bytes that come late", () => {
  const two = { deltas: [delta(timed, [2, 0, 0])] };

  test("aren't counted besides the zeros that they were taken for: the next are left out", () => {
    const late = { deltas: [delta(timed, [1, 0, 0]), delta(sized, [0, 4, 0])] };
    expect(completed(two, late, two, two)).toEqual([
      [[[2, 0, 0]], []],
      [[[0, 4, 0]], []],
      [[], []],
      [[[1, 0, 0]], []],
    ]);
    expect(completed(two, { deltas: [delta(sized, [0, 1, 0])] }, two).at(-1)).toEqual([[[1, 0, 0]], []]);
  });

  test("are one proxy's, and go with it", () => {
    const requests = new BodilessRequests();
    requests.complete("web", { deltas: [delta(sized, [0, 2, 0])], before: [] });
    const lists = { ...two, before: [] };
    expect(requests.complete("other", lists).deltas).toHaveLength(2);
    requests.forget("web");
    expect(requests.complete("web", lists).deltas).toHaveLength(2);
  });

  test("having been hidden when the watching began, are among the zeros of then", () => {
    const began = { before: [delta(timed, [9, 0, 0])] };
    const shown = { deltas: [delta(timed, [1, 0, 0])], before: [delta(sized, [0, 5, 0])] };
    expect(completed(began, shown, two)).toEqual([
      [[], [[9, 0, 0]]],
      [[[1, 0, 0]], []],
      [[[2, 0, 0]], []],
    ]);
  });

  test("being no more than the durations of the moment, are theirs", () => {
    const shown = { deltas: [delta(timed, [3, 0, 0])], before: [delta(sized, [0, 1, 0])] };
    expect(completed(shown)).toEqual([[[[2, 0, 0]], [[0, 1, 0]]]]);
  });
});

const stepNames = ["get", "post", "report", "lose", "kill", "restart"] as const;
type Step = (typeof stepNames)[number];

/** Envoy, whose series are hidden when they are idle at every third flush, and dropped at the next; and what a collector makes of its reports. */
class SimulatedProxy {
  readonly values = { [timed]: 0, [sized]: 0 };
  isExact = true;
  /** Sent, and seen. */
  bodies = 0;
  seen = 0;
  #counters = new ExactCounters({ sinceMs: 0, evictionMs: 3000 });
  #requests = new BodilessRequests();
  readonly #series = new Map<string, { counts: number[]; isUsed: boolean }>();
  #seconds = 1;
  #startedAt = 0;

  send(isPost: boolean): void {
    this.#record(timed, 0);
    if (isPost) this.#record(sized, 1);
    if (isPost) this.bodies += 1;
  }

  flush(isDelivered: boolean): void {
    this.#seconds += 1;
    if (isDelivered) this.#report();
    else this.isExact = false;
    if (this.#seconds % 3 !== 0) return;
    for (const [name, series] of this.#series) {
      if (!series.isUsed) this.#series.delete(name);
      series.isUsed = false;
    }
  }

  /** The collector's process, with all that it remembers. */
  kill(): void {
    this.isExact = false;
    this.values[timed] = 0;
    this.values[sized] = 0;
    this.#counters = new ExactCounters({ sinceMs: this.#seconds * 1000 + 500, evictionMs: 3000 });
    this.#requests = new BodilessRequests();
  }

  restart(): void {
    this.isExact = false;
    this.#seconds += 1;
    this.#startedAt = this.#seconds;
    this.#series.clear();
  }

  #record(name: string, bucket: number): void {
    const series = this.#series.get(name) ?? { counts: [0, 0, 0], isUsed: true };
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.isUsed = true;
    this.#series.set(name, series);
  }

  #report(): void {
    const points = [...this.#series].flatMap(([name, { counts, isUsed }]) => (isUsed ? [histogram(name, [...counts])] : []));
    const uptime = { kind: "gauge", name: "server.uptime", labels: {}, value: this.#seconds } as const;
    const [timeMs, ageMs] = [this.#seconds * 1000, (this.#seconds - this.#startedAt) * 1000];
    const report = { source: "web", process: `${this.#startedAt}`, ageMs, timeMs, receivedMs: timeMs, isComplete: true };
    const observed = this.#counters.observe({ ...report, points: [uptime, ...points] });
    const { deltas, before } = this.#requests.complete("web", observed);
    for (const one of [...deltas, ...before]) {
      if (one.kind !== "histogram") continue;
      expect(Math.min(...one.counts)).toBeGreaterThanOrEqual(0);
      if (one.name === sized) this.seen += one.counts[1] ?? 0;
      if (one.name === timed || one.name === sized) this.values[one.name] += countOf(one);
    }
  }
}

test("there are as many values of bytes as of durations, at the latest when as many requests without a body have come", () => {
  // The more often something begins anew, the less comes late.
  const weights = { get: 8, post: 6, report: 20, lose: 6, kill: 1, restart: 1 } as const satisfies Record<Step, number>;
  const steps = fc.oneof(...stepNames.map((step) => ({ arbitrary: fc.constant(step), weight: weights[step] })));
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 80, size: "max" }), (history) => {
      const proxy = new SimulatedProxy();
      for (const step of history) {
        if (step === "get" || step === "post") proxy.send(step === "post");
        else if (step === "kill" || step === "restart") proxy[step]();
        else proxy.flush(step !== "lose");
        expect(proxy.values[sized]).toBeGreaterThanOrEqual(proxy.values[timed]);
        expect(proxy.values[sized]).toBeLessThanOrEqual(proxy.values[timed] + proxy.bodies);
        if (proxy.isExact) expect(proxy.values[sized]).toBe(proxy.values[timed]);
      }
      for (let count = 0; count <= proxy.bodies; count += 1) proxy.send(false);
      proxy.flush(true);
      expect(proxy.values[sized]).toBe(proxy.values[timed]);
      if (proxy.isExact) expect(proxy.seen).toBe(proxy.bodies);
    }),
    { seed: 7, numRuns: 500 },
  );
});
