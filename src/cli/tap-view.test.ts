import { createColors } from "picocolors";
import { expect, test } from "vitest";
import type { TapEvent } from "../http/tap-contract.ts";
import { TapView } from "./tap-view.ts";
import { tapHalf as half } from "./testing/tap-half.ts";

const event: TapEvent = {
  kind: "request",
  start: half.start,
  protocol: "HTTP/1.1",
  method: "GET",
  authority: "orders",
  path: "/items",
  source: { name: "shop/web-v1", kind: "workload", version: "v1", services: [] },
  destination: { name: "shop/orders", kind: "workload", version: "v2", services: [] },
  client: half,
  server: { ...half, durationMs: 9 },
  rule: { text: 'VirtualService shop/orders http[0] "split" → v2 (25 %)' },
  mirrored: false,
  failed: false,
  requestId: "id-1",
  traceparent: "",
  userAgent: "",
  sni: "",
};

const terminal = { colours: createColors(false), isTty: false, columns: 80 };
const { client: _c, server: _s, rule: _r, ...bare } = event;

function lineOf(
  more: Partial<TapEvent>,
  { wide = false, from = event }: { readonly wide?: boolean; readonly from?: TapEvent } = {},
): string {
  return new TapView({ wide, terminal }).line({ ...from, ...more }).replaceAll(/ {2,}/g, "  ");
}

test.each([
  [
    {},
    '10:00:00.007  shop/web-v1  shop/orders v2  GET orders/items  200  12ms/9ms  VirtualService shop/orders http[0] "split" → v2 (25 %)',
  ],
  [{ client: { ...half, code: 503, attempts: 3, flags: ["URX"] }, failed: true }, / 503 .* 3 tries {2}URX all tries used up$/],
  [{ client: { ...half, code: 0, flags: ["DC"] } }, / none .*DC the client left$/],
  [{ client: { ...half, code: 200, grpcStatus: "14" } }, / 200\/14 /],
  [
    { server: { ...half, code: 403, flags: ["UAEX"], details: "rbac_access_denied_matched_policy[ns[shop]-policy[closed]-rule[0]]" } },
    /denied by AuthorizationPolicy shop\/closed rule 0$/,
  ],
  [{ server: { ...half, code: 403, details: "rbac_access_denied_matched_policy[none]" } }, /denied: no ALLOW policy matches$/],
  [{ path: `/${"x".repeat(100)}` }, / GET orders\/x+… {2}200/],
])("%j", (more, expected) => {
  const line = lineOf(more);
  if (typeof expected === "string") expect(line).toBe(expected);
  else expect(line).toMatch(expected);
});

test("a copy, a server's half alone, a connection", () => {
  const fromServer: TapEvent = { ...bare, server: { ...half, attempts: 2 } };
  const firstTry: TapEvent = { ...bare, server: half, earlierTry: true };
  expect(lineOf({ mirrored: true }, { from: fromServer })).toMatch(/ 200 {2}12ms {2}mirrored {2}try 2$/);
  expect(lineOf({}, { from: firstTry })).toMatch(/ 200 {2}12ms {2}try 1$/);
  const closed = lineOf({ kind: "closed", protocol: "TCP", sni: "db.example" });
  expect(closed).toContain("TCP closed db.example");
});

test("what strangers send can't move the cursor or turn the line around", () => {
  const line = lineOf({ path: "/a\u001b[2Jb\u009bc\u202ed", authority: "x\ny" });
  expect(line).toContain("GET x\\u{a}y/a\\u{1b}[2Jb\\u{9b}c\\u{202e}d");
});

test("columns stay below each other, and wide ones tell the rest", () => {
  const view = new TapView({ wide: false, terminal });
  const heading = view.heading();
  expect(view.line(event).indexOf("shop/orders")).toBe(heading.indexOf("TO "));
  const long = { ...event.source, name: `shop/${"long-".repeat(20)}` };
  const [first, second] = [view.line({ ...event, source: long }), view.line(event)];
  expect([first.indexOf("GET orders"), first.indexOf("shop/orders")]).toEqual([
    second.indexOf("GET orders"),
    second.indexOf("shop/orders"),
  ]);
  const wide = lineOf({ sni: "orders.example", traceparent: "00-1-2-01" }, { wide: true });
  expect(wide).toMatch(
    /client=via_upstream server=via_upstream upstream=198.18.0.3:8080 in=0B out=7B sni=orders.example id=id-1 trace=00-1-2-01$/,
  );
});
