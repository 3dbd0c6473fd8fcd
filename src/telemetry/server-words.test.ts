// What only the server's proxy sees of a connection, brought together with what the caller's proxy logs: first or last, about its own pod only, and pending.

import { describe, expect, test } from "vitest";
import {
  caller,
  connected,
  end,
  lasting,
  laterMs,
  nowMs,
  other,
  record,
  type Step,
  server,
  type TrialWorld,
  trialWorld,
  wire,
} from "./testing/trial-world.ts";

const refused = record({ ...end, flags: "UF,URX", wireIn: wire, tags: { traffic: "destination;tcp" } });
const seen = [connected, end].map(record);

describe("what only the server's proxy sees", () => {
  test.each([
    ["first", ({ observe }: TrialWorld) => [observe(server, [refused]), observe(caller, seen)]],
    ["last", ({ observe }: TrialWorld) => [observe(caller, seen), observe(server, [refused])]],
  ])("a refusal that it tells %s is the caller's trial, once", (_, tell) => {
    const it = trialWorld();
    expect(tell(it)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(it.heard(nowMs + 1)).toEqual([1, 1]);
    expect(it.heard(nowMs + laterMs)).toEqual([0, 0]);
  });

  test("a reset that both see is one failure, and the server's own connections are nobody's trials", () => {
    const { observe, heard } = trialWorld();
    const reset = { ...end, flags: "UR", sent: 4 };
    expect(observe(server, [record({ ...connected, wireIn: wire }), record({ ...reset, wireIn: wire })])).toEqual([0, 0]);
    expect(observe(caller, [record(connected), record(reset)])).toEqual([1, 1]);
    expect(heard(nowMs + laterMs)).toEqual([0, 0]);
  });

  test("another pair of addresses is another connection, and an old refusal is no longer any's", () => {
    const { observe, heard } = trialWorld();
    observe(server, [refused]);
    observe(caller, [record(connected), record({ ...end, wireOut: "198.18.0.9:41001 198.18.0.5:8082" })]);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
    expect(heard(nowMs + 2 * laterMs + 1)).toEqual([0, 0]);
    observe(caller, [record({ ...connected, id: "8@1" }), record({ ...end, id: "8@1" })], nowMs + 2 * laterMs + 1);
    expect(heard(nowMs + 3 * laterMs + 1)).toEqual([1, 0]);
  });

  test("a refusal that was heard is no later connection's of the same pair", () => {
    const { observe, heard } = trialWorld();
    observe(server, [refused]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
    const later = [connected, end].map((step) => record({ ...step, id: "8@1" }));
    observe(caller, later, nowMs + 1);
    expect(heard(nowMs + 1 + laterMs)).toEqual([1, 0]);
  });

  test("refused after it had lasted: one more trial, failed", () => {
    const { observe, heard } = trialWorld();
    expect(observe(caller, [record(connected), record(lasting)])).toEqual([0, 0]);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
    observe(caller, [record(end)], nowMs + laterMs);
    observe(server, [refused], nowMs + laterMs);
    expect(heard(nowMs + laterMs + 1)).toEqual([1, 1]);
  });

  test("the addresses may be IPv6", () => {
    const [from, to] = ["fd00::9", "fd00::5"];
    const { observe, heard } = trialWorld({ addressOf: (source) => (source === caller ? from : to) });
    const pair = `[${from}]:41000 [${to}]:8082`;
    observe(caller, [record({ ...connected, wireOut: pair }), record({ ...end, wireOut: pair })]);
    observe(server, [record({ ...end, flags: "UF,URX", wireIn: pair })]);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });
});

describe("a proxy is heard about its own pod's end only", () => {
  test.each([
    ["another pod's", other],
    ["the caller's own", caller],
    ["one whose address isn't known", "stranger.shop"],
  ])("a refusal of %s proxy is none", (_, liar) => {
    const { observe, heard } = trialWorld();
    observe(liar, [record({ ...end, id: "66@1", flags: "UF,URX", wireIn: wire })]);
    observe(caller, seen);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
  });

  test("nor does one clear what the server's proxy said", () => {
    const { observe, heard } = trialWorld();
    observe(server, [refused]);
    observe(other, [record({ ...connected, wireIn: wire })]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });

  test("a caller that names another's pair is judged by what it saw itself, and leaves the word to whom it is about", () => {
    const { observe, heard } = trialWorld();
    observe(server, [refused]);
    expect(observe(other, seen)).toEqual([1, 0]);
    expect(heard(nowMs + laterMs, other)).toEqual([0, 0]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });
});

describe("a server whose proxy hasn't reached the application", () => {
  const atServer = (step: Step) => record({ ...step, wireIn: wire });
  const failed = atServer({ ...end, flags: "UF,URX" });

  test("the caller left first: no trial", () => {
    const { observe, heard } = trialWorld();
    observe(caller, seen);
    observe(server, [atServer(end)]);
    expect([heard(nowMs + 1), heard(nowMs + laterMs)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("the caller left after it had been reached: good", () => {
    const { observe, heard } = trialWorld();
    observe(server, [atServer(connected), atServer(end)]);
    observe(caller, seen);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
  });

  test("lasting is no success meanwhile, and what comes of it decides, once", () => {
    const { observe, heard } = trialWorld();
    const fails = [observe(caller, [connected, lasting].map(record)), observe(server, [atServer(lasting)]), heard(nowMs + laterMs)];
    expect(fails).toEqual(Array.from({ length: 3 }, () => [0, 0]));
    observe(server, [failed], nowMs + laterMs);
    observe(caller, [record(end)], nowMs + laterMs);
    expect([heard(nowMs + laterMs + 1), heard(nowMs + 2 * laterMs)]).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });

  test("reached late: good from the next report on", () => {
    const { observe, heard } = trialWorld();
    observe(caller, [connected, lasting].map(record));
    observe(server, [atServer(lasting)]);
    expect(heard(nowMs + laterMs)).toEqual([0, 0]);
    observe(server, [atServer(connected)], nowMs + laterMs);
    observe(caller, [record(lasting)], nowMs + laterMs);
    expect(heard(nowMs + 2 * laterMs)).toEqual([1, 0]);
  });

  test("ended while it was pending, and nothing more is heard: no trial", () => {
    const { observe, heard } = trialWorld();
    observe(server, [atServer(lasting)]);
    observe(caller, seen);
    expect([heard(nowMs + 1), heard(nowMs + laterMs), heard(nowMs + 2 * laterMs)]).toEqual(Array.from({ length: 3 }, () => [0, 0]));
  });

  test("ended while it was pending: the server's last word is waited for", () => {
    const { observe, heard } = trialWorld();
    observe(server, [atServer(lasting)]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([0, 0]);
    observe(server, [failed], nowMs + 1000);
    expect(heard(nowMs + 1001)).toEqual([1, 1]);
  });
});
