// Watchers come and go, and proxies tell as much as somebody wants to know.

import { describe, expect, test } from "vitest";
import type { TapLine } from "../../../http/tap-contract.ts";
import { Taps } from "./taps.ts";
import { log, mesh, received, sent } from "./testing/tap-world.ts";

describe("watchers", () => {
  function start() {
    const asked: ReadonlyMap<string, number>[] = [];
    let now = 0;
    const taps = new Taps({ mesh: () => mesh, tap: (map) => void asked.push(map), isCurrent: () => true, nowMs: () => now, maxRate: 10 });
    const pass = (ms: number) => {
      now += ms;
    };
    return { taps, asked, pass };
  }

  test("proxies tell as long as somebody watches, and what they tell reaches who asked for it", async () => {
    const { taps, asked, pass } = start();
    const lines: TapLine[] = [];
    const leave = taps.watch({ to: "orders" }, (line) => lines.push(line) > 0);
    expect([...(asked.at(-1) ?? [])]).toEqual([...mesh.proxies.keys()].map((id) => [id, 100]));
    taps.take("web-v1-x.shop", [log(sent)]);
    taps.take("orders-v1-x.shop", [log(received)]);
    taps.take("nobody", [log(sent)]);
    await expect.poll(() => lines.map(({ type }) => type)).toEqual(["watching", "event"]);
    expect(lines.at(-1)).toMatchObject({ event: { client: { durationMs: 12 }, server: { durationMs: 9 } } });
    const [before, second] = [asked.length, taps.watch({}, () => true)];
    second();
    expect(asked).toHaveLength(before);
    leave();
    leave();
    expect(asked.at(-1)?.size).toBe(0);
    pass(10);
    taps.take("web-v1-x.shop", [log(sent)]);
  });

  test("too many records: the rest is counted, and a share is drawn; who can't take lines is told how many are missing", async () => {
    const { taps, asked, pass } = start();
    const lines: TapLine[] = [];
    let isSlow = false;
    const refused: TapLine[] = [];
    taps.watch({}, (line) => (isSlow ? refused.push(line) < 0 : lines.push(line) > 0));
    taps.take(
      "web-v1-x.shop",
      Array.from({ length: 30 }, (_, index) => log({ ...sent, request_id: `${index}` })),
    );
    pass(2000);
    await expect.poll(() => lines.filter(({ type }) => type === "event").length).toBe(20);
    await expect
      .poll(() => lines)
      .toEqual(
        expect.arrayContaining([
          { type: "sampling", percent: 26 },
          { type: "dropped", count: 10 },
        ]),
      );
    expect([...(asked.at(-1)?.values() ?? [])].every((percent) => percent === 26)).toBe(true);
    isSlow = true;
    taps.take("web-v1-x.shop", [log({ ...sent, upstream: "" }), log({ ...sent, upstream: "" })]);
    await expect
      .poll(() => refused.filter(({ type }) => type === "event").length + refused.filter(({ type }) => type === "dropped").length)
      .toBeGreaterThan(1);
    isSlow = false;
    await expect.poll(() => lines.filter(({ type }) => type === "dropped").at(-1)).toEqual({ type: "dropped", count: 2 });
    taps.close();
    expect(asked.at(-1)?.size).toBe(0);
  });

  test("a name of nobody is refused, a host outside isn't", () => {
    const { taps } = start();
    expect(() => taps.watch({ party: "nobody" }, () => true)).toThrow("there is no workload, pod or service nobody");
    for (const [party, near] of [
      ["ordres", "shop/orders"],
      ["shop/wbe", "shop/web"],
      ["other/web", "shop/web"],
    ]) {
      expect(() => taps.watch({ party }, () => true)).toThrow(expect.objectContaining({ code: "not_found", fix: `did you mean ${near}?` }));
    }
    taps.watch({ to: "api.example.com" }, () => true)();
    expect(() => taps.watch({ namespace: "nowhere" }, () => true)).toThrow("there is no workload or service in namespace nowhere");
    taps.watch({ namespace: "shop" }, () => true)();
    taps.close();
  });
});
