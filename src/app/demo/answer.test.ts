import { describe, expect, test } from "vitest";
import { type Answer, failureLine, hopsOf, isFailure } from "./answer.ts";

const hop = (service: string, version: string, more: object = {}) => ({ service, version, pod: "p", ms: 2, ...more });

function answer(hops: readonly object[], more: Partial<Answer> = {}): Answer {
  return { status: 200, headers: {}, body: JSON.stringify({ hops }), ms: 9, error: undefined, ...more };
}

describe("hopsOf", () => {
  test("names every hop; web with the client's time, the database with what stock measured", () => {
    const hops = hopsOf(answer([hop("web", "v1"), hop("catalog", "v2"), hop("stock", "v1", { dbMs: 0.5 }), hop("rates", "v1")]));
    expect(hops.map(({ service, version, ms }) => [service, version, ms])).toEqual([
      ["web", "v1", 9],
      ["catalog", "v2", 2],
      ["stock", "v1", 2],
      ["db", "-", 0.5],
      ["rates", "v1", 2],
    ]);
    expect(hops.every(({ failed }) => !failed)).toBe(true);
  });

  test("rates missing behind catalog is a failed call of rates", () => {
    const hops = hopsOf(answer([hop("web", "v1"), hop("catalog", "v1"), hop("stock", "v1")]));
    expect(hops.at(-1)).toEqual({ service: "rates", version: "v1", failed: true, ms: undefined });
  });

  test.each([
    ["who failed is in the header", { status: 502, headers: { "x-shop-failed": "web=v2" } }, { service: "web", version: "v2", ms: 9 }],
    ["Envoy's own answers name nobody", { status: 503 }, { service: "web", version: "-", ms: 9 }],
    ["nothing came", { status: 0, error: "no answer within 5 s" }, { service: "web", version: "-", ms: undefined }],
  ])("%s", (_, more, expected) => {
    expect(hopsOf(answer([], more))).toEqual([{ ...expected, failed: true }]);
  });

  test("a version that failed as it was told to is named, however far behind web", () => {
    const body = '{"error":"catalog answered 500: catalog v3: injected error (ERROR_PERCENT=5)"}';
    const failed = answer([], { status: 502, headers: { "x-shop-failed": "web=v2" }, body });
    expect(hopsOf(failed)).toEqual([{ service: "catalog", version: "v3", failed: true, ms: undefined }]);
  });

  test.each(["", "{}", '{"hops":[{"service":1}]}', "[", '{"__proto__":{"hops":[]}}'])("an odd body %s counts for web alone", (body) => {
    expect(hopsOf(answer([], { body }))).toEqual([{ service: "web", version: "-", failed: false, ms: 9 }]);
  });
});

test("failures are everything but a whole 200", () => {
  expect(isFailure(answer([]))).toBe(false);
  expect(isFailure(answer([], { status: 204 }))).toBe(true);
  expect(isFailure(answer([], { error: "reset" }))).toBe(true);
});

test("failureLine says status, words and time", () => {
  expect(failureLine(answer([], { status: 503, body: "no healthy upstream\n" }))).toBe("status 503, no healthy upstream, after 9 ms");
  expect(failureLine(answer([], { status: 0, body: "", error: "socket hang up" }))).toBe("socket hang up, after 9 ms");
});
