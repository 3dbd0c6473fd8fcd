// The store and its windows on hand-made observations; times in seconds.

import { describe, expect, test } from "vitest";
import type { Delta } from "../exact-counters.ts";
import type { Labels } from "../point.ts";
import { SampleStore, type SampleStoreOptions } from "./sample-store.ts";
import { quantileOf, type WindowQuery, windowOf } from "./window.ts";

/** A round time, so that slots are easy to read. */
const base = 1_800_000_000;

const requests = (value: number, labels: Labels = {}): Delta => ({
  kind: "counter",
  key: JSON.stringify(labels),
  name: "n",
  labels,
  value,
});

class World {
  readonly store: SampleStore;

  constructor(options: SampleStoreOptions = {}) {
    this.store = new SampleStore(options);
  }

  add(fromSecond: number, toSecond: number, deltas: readonly Delta[], source = "a"): this {
    const [fromMs, toMs] = [(base + fromSecond) * 1000, (base + toSecond) * 1000];
    this.store.record({ kind: "next", source, fromMs, toMs, deltas });
    return this;
  }

  ask(fromSecond: number, toSecond: number, more: Partial<WindowQuery> = {}) {
    return windowOf(this.store, { name: "n", fromMs: (base + fromSecond) * 1000, toMs: (base + toSecond) * 1000, ...more });
  }

  /** Requests per second of each second; undefined for gaps. */
  perSecond(fromSecond: number, toSecond: number): readonly (number | undefined)[] {
    return Array.from({ length: toSecond - fromSecond }, (_, index) => {
      const second = fromSecond + index;
      return this.ask(second, second + 1)[0]?.perSecond;
    });
  }
}

describe("gaps and zeros", () => {
  test("a second that was reported without requests is 0; one that wasn't is a gap", () => {
    const world = new World()
      .add(0, 1, [requests(4)])
      .add(1, 2, [])
      .add(5, 6, [requests(2)]);
    expect(world.perSecond(0, 7)).toEqual([4, 0, undefined, undefined, undefined, 2, undefined]);
    expect(world.ask(0, 6)).toMatchObject([{ sum: 6, seconds: 3, missing: 3, perSecond: 2 }]);
  });

  test("what was never reported isn't 0 per second", () => {
    expect(new World().ask(0, 10)).toEqual([]);
    expect(new World().add(0, 1, [requests(4)]).ask(20, 30)).toMatchObject([{ sum: 0, seconds: 0, perSecond: undefined }]);
  });

  test("a lost report makes no gap: the next one's sum is spread over both seconds", () => {
    const world = new World().add(0, 1, [requests(4)]).add(1, 3, [requests(6)]);
    expect(world.perSecond(0, 3)).toEqual([4, 3, 3]);
    expect(world.ask(0, 3)).toMatchObject([{ sum: 10, seconds: 3, missing: 0 }]);
  });

  test("of a long silence the sum is known, not when: whole windows count it, its seconds are gaps", () => {
    const world = new World()
      .add(0, 1, [requests(1)])
      .add(1, 11, [requests(50)])
      .add(11, 12, [requests(2)]);
    expect(world.perSecond(0, 12)).toEqual([1, ...Array.from({ length: 10 }, () => undefined), 2]);
    expect(world.ask(0, 12)).toMatchObject([{ sum: 53, seconds: 12, missing: 0 }]);
    expect(world.ask(5, 12)).toMatchObject([{ sum: 2, seconds: 1, missing: 6 }]);
    expect(world.ask(0, 5)).toMatchObject([{ sum: 1, seconds: 1, missing: 4 }]);
    expect(world.ask(3, 6)).toMatchObject([{ sum: 0, seconds: 0, perSecond: undefined }]);
  });

  test("reports that come a little early or late take a second each", () => {
    const world = new World();
    const times = [0, 1.02, 1.98, 3.04, 3.97, 5.01, 6];
    for (const [index, time] of times.entries()) if (index > 0) world.add(times[index - 1] ?? 0, time, [requests(10)]);
    expect(world.perSecond(0, 6)).toEqual([10, 10, 10, 10, 10, 10]);
  });

  test("reports that drift lose and double nothing", () => {
    const world = new World();
    for (let index = 0; index < 400; index += 1) world.add(index * 1.01, (index + 1) * 1.01, [requests(10)]);
    expect(world.ask(0, 405)).toMatchObject([{ sum: 4000 }]);
    expect(world.ask(0, 400)).toMatchObject([{ missing: 0 }]);
    const rates = world.perSecond(0, 400);
    expect(rates.every((rate) => rate === 10 || rate === 5)).toBe(true);
  });
});

test("groups, matches, and copies of requests that nobody asked for", () => {
  const world = new World()
    .add(0, 1, [
      requests(90, { version: "v1", code: "200" }),
      requests(1, { version: "v1", code: "503" }),
      requests(5, { version: "v2", code: "200" }),
    ])
    .add(0, 1, [requests(9, { version: "v1", code: "500" }), requests(100, { version: "v2", code: "200", mirrored: "true" })], "b");
  const all = world.ask(0, 1, { by: ["version"] });
  expect(all.map(({ group, sum, proxies }) => [group["version"], sum, proxies])).toEqual([
    ["v1", 100, ["a", "b"]],
    ["v2", 5, ["a"]],
  ]);
  const failed = world.ask(0, 1, { by: ["version"], match: { code: (code) => code.startsWith("5") } });
  expect(failed.map(({ group, sum }) => [group["version"], sum])).toEqual([["v1", 10]]);
  expect(world.ask(0, 1, { match: { mirrored: "true" } })).toMatchObject([{ sum: 100 }]);
  expect(world.ask(0, 1, { by: ["proxy"], match: { version: ["v1"] } }).map(({ sum }) => sum)).toEqual([91, 9]);
});

test("a proxy that ended isn't missing", () => {
  const world = new World().add(0, 1, [requests(3)]).add(0, 1, [requests(1)], "b");
  world.add(1, 2, [requests(1)], "b");
  world.store.end("a");
  expect(world.ask(0, 2)).toMatchObject([{ sum: 5, seconds: 2, missing: 0 }]);
});

describe("histograms", () => {
  const latency = (counts: readonly number[], sum: number, bounds: readonly number[] = [10, 100]): Delta => ({
    kind: "histogram",
    key: "h",
    name: "n",
    labels: {},
    bounds,
    counts,
    sum,
  });

  test("add up over seconds and proxies", () => {
    const world = new World().add(0, 1, [latency([5, 5, 0], 300)]).add(0, 1, [latency([0, 9, 1], 900)], "b");
    expect(world.ask(0, 1)).toMatchObject([{ sum: 20, distribution: { counts: [5, 14, 1], sum: 1200 } }]);
    expect(world.ask(0, 1, { onlyTotals: true })).toMatchObject([{ sum: 1200, distribution: undefined }]);
  });

  test.each([
    [0.5, [10, 0, 0], 5],
    [0.5, [5, 5, 0], 10],
    [0.75, [5, 10, 5], 100],
    [0.99, [5, 5, 90], 100],
    [0, [0, 4, 0], 10],
  ])("quantile %d of %j is %d", (q, counts, expected) => {
    expect(quantileOf({ bounds: [10, 100], counts, sum: 0 }, q)).toBe(expected);
  });

  test("of nothing there is no quantile", () => {
    expect(quantileOf({ bounds: [10], counts: [0, 0], sum: 0 }, 0.5)).toBeUndefined();
  });

  test("other bounds begin anew and give the old memory back", () => {
    const world = new World().add(0, 1, [latency([5, 5, 0], 300)]);
    const { bytes } = world.store.report();
    world.add(1, 2, [latency([1, 1, 1], 30, [20, 50])]);
    expect(world.ask(0, 2)).toMatchObject([{ distribution: { bounds: [20, 50], counts: [1, 1, 1], sum: 30 } }]);
    expect(world.store.report().bytes).toBeLessThanOrEqual(bytes * 1.5);
  });
});

describe("bounded memory", () => {
  test("a quarter of an hour by seconds, six hours by ten seconds, then nothing", () => {
    const world = new World();
    const hours = 7;
    for (let second = 0; second < hours * 3600; second += 1) world.add(second, second + 1, [requests(1)]);
    const now = hours * 3600;
    expect(world.ask(now - 60, now)).toMatchObject([{ sum: 60, seconds: 60 }]);
    expect(world.ask(now - 3600, now)).toMatchObject([{ sum: 3600, seconds: 3600 }]);
    expect(world.ask(now - 6 * 3600, now)).toMatchObject([{ sum: 6 * 3600, seconds: 6 * 3600 }]);
    expect(world.ask(0, 600)).toMatchObject([{ seconds: 0, perSecond: undefined }]);
    // 16 and 37 chunks of 60 numbers.
    expect(world.store.report().bytes).toBe((16 + 37) * 480);
  });

  test("series beyond a limit are refused, and the report names them", () => {
    const world = new World({ maxSeries: 3, maxSeriesPerSource: 2 });
    const three = ["1", "2", "3"].map((id) => requests(1, { id }));
    world.add(0, 1, three).add(0, 1, three, "b");
    expect(world.store.report()).toMatchObject({
      series: 3,
      refusals: [
        { source: "a", name: "n", count: 1, example: { id: "3" } },
        { source: "b", name: "n", count: 2, example: { id: "2" } },
      ],
    });
  });

  test("history by ten seconds goes first, and what is kept by seconds is still asked whole", () => {
    const world = new World({ maxBytes: 4 * 480 });
    for (let second = 0; second < 1300; second += 1) world.add(second, second + 1, [requests(1)]);
    expect(world.store.shortenedToSecond).toBeGreaterThan(base);
    expect(world.ask(1290, 1300)[0]).toMatchObject({ sum: 10, seconds: 10 });
  });

  test("when even the last quarter of an hour is too much, its oldest minutes go, and the last two stay", () => {
    const world = new World({ maxBytes: 60_000 });
    const delta = (name: string): Delta => ({ kind: "counter", key: name, name: "n", labels: { name }, value: 1 });
    const names = Array.from({ length: 40 }, (_, index) => `s${index}`);
    for (let second = 0; second < 600; second += 1) world.add(second, second + 1, names.map(delta));
    const { bytes, shortenedToSecond } = world.store.report();
    // Three minutes at most and a coarse chunk of each series, of 480 bytes each.
    expect(bytes).toBeLessThanOrEqual(40 * 4 * 480);
    expect(shortenedToSecond).toBeGreaterThan(base + 300);
    expect(world.ask(590, 600)[0]).toMatchObject({ sum: 400, seconds: 10 });
    // The window begins where everything is there: its sum is never too small.
    const [all] = world.ask(0, 600);
    expect(all?.seconds).toBeLessThan(300);
    expect(all?.sum).toBe(40 * (all?.seconds ?? 0));
  });

  test("series of proxies that are gone make room for those of living ones, and windows don't reach behind them", () => {
    const world = new World({ maxSeries: 2 });
    world
      .add(0, 1, [requests(5)], "gone")
      .add(0, 2, [requests(1)], "b")
      .store.end("gone");
    world.add(1, 2, [requests(7)], "new");
    expect(world.store.report()).toMatchObject({ series: 2, refusals: [], sources: 2 });
    expect(world.ask(-10, 2)[0]).toMatchObject({ sum: 7.5, seconds: 1 });
    expect(world.store.shortenedToSecond).toBe(base + 1);
  });

  test("what is long gone goes first: what has just ended is asked whole, and so is the last quarter of an hour", () => {
    const world = new World({ maxSeries: 4 });
    const atEnd = 1200;
    world.add(0, 1, [requests(1, { id: "old" })], "old").store.end("old", "shop/web");
    world.store.expire((base + atEnd) * 1000);
    expect([...world.store.sources()].map(({ id }) => id)).toEqual(["ended: shop/web"]);
    world.add(atEnd - 1, atEnd, [requests(2, { id: "a" })], "just").store.end("just", "shop/web");
    world.add(atEnd - 1, atEnd, [requests(4, { id: "a" }), requests(8, { id: "b" })], "lives");
    world.add(atEnd, atEnd + 1, [requests(16, { id: "a" })], "new");
    expect(world.store.report()).toMatchObject({ series: 4, refusals: [], shortenedToSecond: base + 1 });
    expect(world.ask(atEnd - 600, atEnd + 1)).toMatchObject([{ sum: 30 }]);
  });

  test("a proxy at its own limit costs nobody's history", () => {
    const world = new World({ maxSeries: 3, maxSeriesPerSource: 2 });
    world.add(0, 1, [requests(1)], "gone").store.end("gone");
    world.add(0, 1, [requests(1, { id: "1" }), requests(1, { id: "2" }), requests(1, { id: "3" })]);
    expect(world.store.report()).toMatchObject({
      sources: 2,
      series: 3,
      shortenedToSecond: undefined,
      refusals: [{ source: "a", count: 1 }],
    });
  });

  test("series that nobody counts any more expire, with their proxies and memory", () => {
    const world = new World().add(0, 1, [requests(1)]);
    world.store.expire((base + 6 * 3600) * 1000);
    expect(world.store.report()).toMatchObject({ series: 1, expired: 0 });
    world.store.expire((base + 6 * 3600 + 2) * 1000);
    expect(world.store.report()).toMatchObject({ series: 0, sources: 0, expired: 1, bytes: 0 });
  });

  test("when memory is short the old history goes, for all series alike, and windows don't reach behind it", () => {
    const world = new World({ maxBytes: 20_000 });
    for (let second = 0; second < 3600; second += 1) world.add(second, second + 1, [requests(1, { id: "a" }), requests(1, { id: "b" })]);
    const { bytes, shortenedToSecond } = world.store.report();
    expect(bytes).toBeLessThanOrEqual(20_000);
    expect((shortenedToSecond ?? 0) - base).toBe(1200);
    expect(world.ask(0, 3600)).toMatchObject([{ sum: 4800, seconds: 2400, perSecond: 2 }]);
  });
});
