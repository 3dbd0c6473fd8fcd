// Two proxies tell of one request: one event.

import { describe, expect, test } from "vitest";
import type { TapEvent, TapHalf } from "../../../http/tap-contract.ts";
import { tapEventOf } from "./event.ts";
import { TapJoiner } from "./join.ts";
import { mesh, recordOf, sent, web } from "./testing/tap-world.ts";

describe("joining", () => {
  const half: TapHalf = { ...tapHalf(), proxy: "a" };
  function tapHalf(): TapHalf {
    const { event } = tapEventOf(recordOf(sent), web, mesh);
    if (event.client === undefined) throw new Error("no half");
    return event.client;
  }
  const base = tapEventOf(recordOf(sent), web, mesh).event;
  const { client: _, ...ends } = base;
  const fromClient: TapEvent = { ...ends, client: half };
  const fromServer: TapEvent = { ...ends, server: { ...half, proxy: "b" } };

  test("two halves are one event, whichever comes first; what has no pair goes alone, at once or after a while", () => {
    const joiner = new TapJoiner();
    expect(joiner.push({ event: fromServer, pair: undefined }, 0)).toHaveLength(1);
    expect(joiner.push({ event: fromServer, pair: "x" }, 0)).toEqual([]);
    expect(joiner.push({ event: fromClient, pair: "x" }, 10)).toMatchObject([{ client: { proxy: "a" }, server: { proxy: "b" } }]);
    expect(joiner.push({ event: fromClient, pair: "y" }, 20)).toEqual([]);
    expect(joiner.push({ event: fromClient, pair: "y" }, 30)).toEqual([]);
    expect(joiner.push({ event: fromServer, pair: "y" }, 40)).toHaveLength(1);
    expect(joiner.expire(1000)).toEqual([]);
    expect(joiner.expire(1600)).toHaveLength(1);
    expect(joiner.expire(9999)).toEqual([]);
  });

  test("the server's half of an earlier try says that it is one", () => {
    const joiner = new TapJoiner();
    const attempt = (event: TapEvent, attempts: number): TapEvent => ({
      ...event,
      ...(event.client === undefined ? {} : { client: { ...event.client, attempts } }),
      ...(event.server === undefined ? {} : { server: { ...event.server, attempts } }),
    });
    joiner.push({ event: attempt(fromServer, 1), pair: "1", request: "r" }, 0);
    joiner.push({ event: attempt(fromServer, 1), pair: "other", request: "other" }, 0);
    joiner.push({ event: attempt(fromServer, 2), pair: "2", request: "r" }, 0);
    expect(joiner.push({ event: attempt(fromClient, 2), pair: "2", request: "r" }, 900)).toHaveLength(1);
    expect(joiner.expire(1600).map(({ earlierTry }) => earlierTry)).toEqual([true, undefined]);
  });

  test("only so many wait", () => {
    const joiner = new TapJoiner();
    const out = Array.from({ length: 6000 }, (_, index) => joiner.push({ event: fromServer, pair: String(index) }, 0).length);
    expect(out.reduce((sum, count) => sum + count, 0)).toBe(1000);
    expect(joiner.expire(2000)).toHaveLength(5000);
  });
});
