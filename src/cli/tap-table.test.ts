import { createColors } from "picocolors";
import { expect, test } from "vitest";
import type { TapEnd, TapEvent } from "../http/tap-contract.ts";
import { TapTable } from "./tap-table.ts";
import { TapView } from "./tap-view.ts";
import { tapHalf as half } from "./testing/tap-half.ts";

const end = (name: string): TapEnd => ({ name, kind: "workload", services: [] });

function eventOf(from: string, to: string, path: string): TapEvent {
  return {
    kind: "request",
    start: "2030-01-01T10:00:00.007Z",
    protocol: "HTTP/1.1",
    method: "GET",
    authority: "shop.example.com",
    path,
    source: end(from),
    destination: end(to),
    rule: { text: "Service" },
    mirrored: false,
    failed: false,
    requestId: "",
    traceparent: "",
    userAgent: "",
    sni: "",
  };
}

const events = [
  eventOf("shop/web-v1", "shop/orders-v1", "/a"),
  eventOf("istio-system/istio-ingressgateway", "shop/web-v1", "/api/a-longer-path"),
  eventOf("shop/web-v1", "(outside)", "/b"),
];

function started() {
  const lines: string[] = [];
  const terminal = { out: (line: string) => void lines.push(line), colours: createColors(false), isTty: false, columns: 80 };
  return { lines, table: new TapTable(new TapView({ wide: false, terminal }), terminal) };
}

/** Where each column begins. */
const placesOf = (line: string): readonly number[] =>
  ["GET", "REQUEST", "Service", "RULE"].map((word) => line.indexOf(word)).filter((at) => at >= 0);

test("rows of the first second stand below their heading, from the first one on, and so do those after them", async () => {
  const { lines, table } = started();
  for (const event of events) table.event(event);
  expect(lines).toEqual([]);
  await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(4);
  const slow = { client: { ...half, durationMs: 123 }, server: { ...half, durationMs: 117 } };
  for (const event of events) table.event({ ...event, ...slow });
  expect(lines).toHaveLength(7);
  expect(new Set(lines.map((line) => JSON.stringify(placesOf(line)))).size).toBe(1);
  expect(lines[0]).toMatch(/^TIME .* FROM .* TO .* REQUEST/);
});

test("an end before that prints what there is, and nothing where there is nothing", () => {
  const { lines, table } = started();
  table.end();
  expect(lines).toEqual([]);
  table.event(events[0] ?? eventOf("", "", ""));
  table.end();
  table.end();
  expect(lines).toHaveLength(2);
});

test("many rows don't wait", () => {
  const { lines, table } = started();
  for (let count = 0; count < 100; count += 1) table.event(eventOf("shop/web-v1", "shop/orders-v1", `/${count}`));
  expect(lines).toHaveLength(101);
});
