// Counting on hand-made reports, and on histories of a simulated proxy that restarts, evicts series and loses reports.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExactCounters, type Observation, type Report } from "./exact-counters.ts";
import type { Point } from "./point.ts";

const counter = (value: number, name = "requests"): Point => ({ kind: "counter", name, labels: { code: "200" }, value });

function reportOf(seconds: number, points: readonly Point[], more: Partial<Report> = {}): Report {
  const timeMs = seconds * 1000;
  return { source: "web", process: "a", ageMs: timeMs, timeMs, receivedMs: timeMs, isComplete: true, points, ...more };
}

const sum = ({ deltas }: Observation) => deltas.reduce((total, delta) => total + (delta.kind === "counter" ? delta.value : 0), 0);

function observe(...reports: readonly Report[]): readonly (readonly [kind: string, sum: number, fromMs: number, toMs: number])[] {
  const counters = new ExactCounters({ sinceMs: 0 });
  return reports.map((report) => {
    const observation = counters.observe(report);
    return [observation.kind, sum(observation), observation.fromMs, observation.toMs];
  });
}

test("differences between reports; a series that appears counts from 0", () => {
  expect(observe(reportOf(1, [counter(5)]), reportOf(2, [counter(7)]), reportOf(3, [counter(7), counter(4, "other")]))).toEqual([
    ["first", 5, 0, 1000],
    ["next", 2, 1000, 2000],
    ["next", 4, 2000, 3000],
  ]);
});

test("what was counted before anybody watched only begins the counting", () => {
  const counters = new ExactCounters({ sinceMs: 10_000 });
  const first = counters.observe(reportOf(11, [counter(1000)]));
  expect([first.kind, sum(first), first.toMs - first.fromMs]).toEqual(["baseline", 0, 0]);
  expect(first.before).toMatchObject([{ value: 1000 }]);
  expect(sum(counters.observe(reportOf(12, [counter(1003)])))).toBe(3);
});

describe("a series that shows up after a baseline", () => {
  const minutes = (count: number) => count * 60;
  /** The process began at 0 and drops what is idle every five minutes; the watching began at `sinceMinutes`. */
  const appears = (sinceMinutes: number, afterMinutes: number) => {
    const counters = new ExactCounters({ sinceMs: minutes(sinceMinutes) * 1000, evictionMs: 300_000 });
    const at = (seconds: number, points: readonly Point[]) => counters.observe(reportOf(seconds, points, { ageMs: seconds * 1000 - 500 }));
    at(minutes(sinceMinutes), [counter(1)]);
    const { deltas, before } = at(minutes(sinceMinutes + afterMinutes), [counter(1), counter(1000, "other")]);
    const next = at(minutes(sinceMinutes + afterMinutes) + 1, [counter(1), counter(1001, "other")]);
    return [
      ...[deltas, before].map((list) => list.reduce((total, delta) => total + (delta.kind === "counter" ? delta.value : 0), 0)),
      sum(next),
    ];
  };

  test("may have been hidden then: its value may be old, what follows isn't", () => {
    expect(appears(7, 1)).toEqual([0, 1000, 1]);
  });

  test("counts from 0 once what was hidden then is dropped", () => {
    expect(appears(7, 4)).toEqual([1000, 0, 1]);
  });

  test("counts from 0 where only the first report, without a counter, doesn't say how old the process is", () => {
    const counters = new ExactCounters({ sinceMs: 0, evictionMs: 300 });
    const { ageMs: _age, process: _process, ...gauges } = reportOf(5, []);
    expect(counters.observe(gauges).kind).toBe("baseline");
    const first = counters.observe(reportOf(6, [counter(40)], { ageMs: 3000 }));
    expect([sum(first), first.before]).toEqual([40, []]);
    // It is known from now on: another process with the same value has counted as much again.
    const restarted = counters.observe(reportOf(9, [counter(40)], { process: "b", ageMs: 1000 }));
    expect([restarted.kind, sum(restarted)]).toEqual(["restarted", 40]);
  });

  test("of a process that is too young to hide anything counts from 0", () => {
    expect(appears(2, 1)).toEqual([1000, 0, 1]);
  });
});

describe("reports that come twice, late or not at all", () => {
  test("twice: nothing new", () => {
    expect(observe(reportOf(1, [counter(5)]), reportOf(1, [counter(5)])).at(1)).toEqual(["repeated", 0, 1000, 1000]);
  });

  test("in the wrong order: nothing new, and nothing twice", () => {
    const last = observe(reportOf(1, [counter(1)]), reportOf(3, [counter(9)]), reportOf(2, [counter(5)]), reportOf(4, [counter(9)]));
    expect(last.map(([kind, total]) => [kind, total])).toEqual([
      ["first", 1],
      ["next", 8],
      ["repeated", 0],
      ["next", 0],
    ]);
  });

  test("not at all: the next one says it, with its longer time", () => {
    expect(observe(reportOf(1, [counter(1)]), reportOf(9, [counter(9)])).at(1)).toEqual(["next", 8, 1000, 9000]);
  });

  test("in parts of one reading", () => {
    const part = (point: Point, seconds: number) => reportOf(seconds, [point], { isComplete: false });
    const seen = observe(
      part(counter(1), 1),
      part(counter(2, "b"), 1),
      part(counter(2), 2),
      part(counter(3, "b"), 2),
      part(counter(3, "b"), 2),
    );
    expect(seen).toEqual([
      ["first", 1, 0, 1000],
      ["next", 2, 0, 1000],
      ["next", 1, 1000, 2000],
      ["next", 1, 1000, 2000],
      ["repeated", 0, 2000, 2000],
    ]);
  });
});

describe("restarts", () => {
  test("another process counts from 0, since its start", () => {
    const seen = observe(reportOf(1, [counter(5)]), reportOf(4, [counter(6)], { process: "b", ageMs: 500 }));
    expect(seen.at(1)).toEqual(["restarted", 6, 3500, 4000]);
  });

  test("a late report of the dead one means nothing", () => {
    const next = reportOf(3, [counter(2)], { process: "b", ageMs: 500 });
    expect(observe(reportOf(1, [counter(5)]), next, reportOf(2, [counter(6)])).at(2)).toEqual(["repeated", 0, 3000, 3000]);
  });

  test("what comes of a proxy that is gone means nothing; one of its name that starts later counts", () => {
    const counters = new ExactCounters({ sinceMs: 0 });
    counters.observe(reportOf(1, [counter(5)]));
    counters.forget("web");
    expect(counters.observe(reportOf(2, [counter(6)]))).toMatchObject({ kind: "repeated", deltas: [] });
    const next = counters.observe(reportOf(9, [counter(2)], { process: "b", ageMs: 1000 }));
    expect([next.kind, sum(next), next.fromMs]).toEqual(["first", 2, 8000]);
  });

  test("a smaller value tells it too where nobody names the process", () => {
    const anonymous = ({ process: _process, ageMs: _age, ...report }: Report): Report => report;
    const seen = observe(anonymous(reportOf(1, [counter(5)])), anonymous(reportOf(2, [counter(3)])));
    expect(seen.map(([kind, total]) => [kind, total])).toEqual([
      ["baseline", 0],
      ["next", 3],
    ]);
  });

  test("a clock that was set back doesn't silence a proxy", () => {
    const back = reportOf(1, [counter(7)], { receivedMs: 101_000 });
    expect(observe(reportOf(100, [counter(5)]), back).at(1)).toEqual(["next", 2, 100_000, 101_000]);
  });
});

describe("a series that is idle", () => {
  const other = counter(1, "other");
  const totals = (...reports: readonly Report[]) => {
    const counters = new ExactCounters({ sinceMs: 0, evictionMs: 2000 });
    return reports.map((report) => sum(counters.observe(report)));
  };
  const hidden = (seconds: number) => reportOf(seconds, [other]);
  const shown = (seconds: number, value: number) => reportOf(seconds, [counter(value), other]);

  test("goes on when it comes back before the proxy dropped it", () => {
    expect(totals(shown(1, 5), hidden(2), shown(3, 7))).toEqual([6, 0, 2]);
  });

  test("counts from 0 when it comes back later, even with a larger value", () => {
    expect(totals(shown(1, 5), hidden(2), hidden(3), shown(4, 7))).toEqual([6, 0, 0, 7]);
    expect(totals(shown(1, 5), hidden(2), hidden(3), hidden(4), hidden(5), shown(6, 7))).toEqual([6, 0, 0, 0, 0, 7]);
  });

  test("is never counted twice when reports were lost meanwhile", () => {
    expect(totals(shown(1, 5), hidden(2), hidden(5), shown(6, 7))).toEqual([6, 0, 0, 2]);
  });
});

test("histograms: by bucket; other bounds begin anew", () => {
  const histogram = (counts: readonly number[], total: number, bounds = [1, 5]): Point => ({
    kind: "histogram",
    name: "ms",
    labels: {},
    bounds,
    counts,
    sum: total,
  });
  const counters = new ExactCounters({ sinceMs: 0 });
  const of = (seconds: number, point: Point) => counters.observe(reportOf(seconds, [point])).deltas;
  expect(of(1, histogram([1, 2, 0], 9))).toMatchObject([{ counts: [1, 2, 0], sum: 9 }]);
  expect(of(2, histogram([1, 3, 1], 30))).toMatchObject([{ counts: [0, 1, 1], sum: 21 }]);
  expect(of(3, histogram([1, 3, 1], 29.9))).toEqual([]);
  expect(of(4, histogram([2, 0, 0], 1))).toMatchObject([{ counts: [2, 0, 0], sum: 1 }]);
  expect(of(5, histogram([3, 0, 0], 2, [1, 6]))).toMatchObject([{ counts: [3, 0, 0] }]);
});

test("a proxy with too many series is cut, and says so", () => {
  const counters = new ExactCounters({ sinceMs: 0, maxSeriesPerSource: 2 });
  const points = ["a", "b", "c"].map((name) => counter(1, name));
  expect(counters.observe(reportOf(1, points))).toMatchObject({ refused: 1, deltas: [{ name: "a" }, { name: "b" }] });
  expect(counters.seriesCount).toBe(2);
  counters.forget("web");
  expect(counters.seriesCount).toBe(0);
});

type Step = "count" | "report" | "lose" | "repeat" | "restart";

/** Envoy as it counts and hides: every third flush hides what wasn't counted since the one before, and drops what was hidden already. */
class SimulatedProxy {
  readonly counters = new ExactCounters({ sinceMs: 0, evictionMs: 3000 });
  /** What observations said, and what they should say. */
  seen = 0;
  expected = 0;
  hasLostReports = false;
  #seconds = 1;
  #startedAt = 0;
  #process = 0;
  #series: { value: number; reported: number; isUsed: boolean } | undefined;

  count(): void {
    this.#series ??= { value: 0, reported: 0, isUsed: false };
    this.#series.value += 1 + (this.#seconds % 3);
    this.#series.isUsed = true;
  }

  flush(isDelivered: boolean): void {
    this.#seconds += 1;
    if (isDelivered) {
      this.send();
      if (this.#series !== undefined) {
        this.expected += this.#series.value - this.#series.reported;
        this.#series.reported = this.#series.value;
      }
    } else this.hasLostReports = true;
    if (this.#seconds % 3 !== 0 || this.#series === undefined) return;
    if (!this.#series.isUsed) this.#series = undefined;
    else this.#series.isUsed = false;
  }

  send(): void {
    const { value, isUsed } = this.#series ?? { value: 0, isUsed: false };
    const points = [counter(1, "always"), ...(isUsed ? [counter(value)] : [])];
    const ageMs = (this.#seconds - this.#startedAt) * 1000;
    const { deltas } = this.counters.observe(reportOf(this.#seconds, points, { process: `${this.#process}`, ageMs }));
    for (const delta of deltas) {
      if (delta.kind !== "counter") throw new Error("no histogram was sent");
      expect(delta.value).toBeGreaterThan(0);
      if (delta.name === "requests") this.seen += delta.value;
    }
  }

  restart(): void {
    this.#seconds += 1;
    this.#startedAt = this.#seconds;
    this.#process += 1;
    this.#series = undefined;
  }
}

test.each([
  ["without losses the sum is what was counted", false],
  ["with lost reports it is never more", true],
])("whatever happens, %s", (_, withLosses) => {
  const steps = fc.constantFrom<Step>(
    "count",
    "report",
    "report",
    "report",
    "repeat",
    "restart",
    ...(withLosses ? (["lose"] as const) : []),
  );
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 80 }), (history) => {
      const proxy = new SimulatedProxy();
      let before: Step = "restart";
      for (const step of history) {
        if (step === "count") proxy.count();
        else if (step === "restart") proxy.restart();
        // The same reading again: only right after it.
        else if (step === "repeat" && before === "report") proxy.send();
        else proxy.flush(step !== "lose");
        before = step === "repeat" ? "count" : step;
      }
      proxy.flush(true);
      if (proxy.hasLostReports) expect(proxy.seen).toBeLessThanOrEqual(proxy.expected);
      else expect(proxy.seen).toBe(proxy.expected);
    }),
    { seed: 7, numRuns: 500 },
  );
});
