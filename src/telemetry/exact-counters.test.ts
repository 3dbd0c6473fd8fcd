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
  expect(sum(counters.observe(reportOf(12, [counter(1003)])))).toBe(3);
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

test("a series that its proxy dropped comes back from 0, even with a larger value", () => {
  const other = counter(1, "other");
  const seen = observe(reportOf(1, [counter(5), other]), reportOf(2, [other]), reportOf(3, [counter(7), other]));
  expect(seen.map(([, total]) => total)).toEqual([6, 0, 7]);
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

type Step = "count" | "report" | "lose" | "repeat" | "restart" | "evict";

test("whatever happens, the sum is what was counted, less only what died with a process unreported", () => {
  const step = fc.constantFrom<Step>("count", "count", "report", "lose", "repeat", "restart", "evict");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const counters = new ExactCounters({ sinceMs: 0 });
      const proxy = { value: 0, seconds: 1, startedAt: 0, process: 0, reported: 0, expected: 0, isEvicted: false };
      let seen = 0;
      const send = () => {
        const points = [counter(1, "always"), ...(proxy.isEvicted ? [] : [counter(proxy.value)])];
        const observation = counters.observe(
          reportOf(proxy.seconds, points, { process: `${proxy.process}`, ageMs: (proxy.seconds - proxy.startedAt) * 1000 }),
        );
        seen += observation.deltas.reduce(
          (total, delta) => total + (delta.kind === "counter" && delta.name === "requests" ? delta.value : 0),
          0,
        );
        expect(observation.deltas.every((delta) => delta.kind === "counter" && delta.value > 0)).toBe(true);
      };
      const report = () => {
        proxy.seconds += 1;
        send();
        proxy.expected += proxy.value - proxy.reported;
        proxy.reported = proxy.value;
      };
      const perform: Readonly<Record<Step, () => void>> = {
        count: () => {
          proxy.value += 1 + (proxy.seconds % 3);
          proxy.isEvicted = false;
        },
        report,
        lose: () => {
          proxy.seconds += 1;
        },
        repeat: () => {
          if (proxy.reported === proxy.value) send();
        },
        restart: () => {
          proxy.seconds += 1;
          Object.assign(proxy, { value: 0, reported: 0, process: proxy.process + 1, startedAt: proxy.seconds });
        },
        // Envoy drops what was idle for two intervals: it was reported, and its absence is.
        evict: () => {
          report();
          Object.assign(proxy, { value: 0, reported: 0, isEvicted: true });
          report();
        },
      };
      for (const name of steps) perform[name]();
      report();
      expect(seen).toBe(proxy.expected);
    }),
    { seed: 7, numRuns: 300 },
  );
});
