// The live graph as people see it in a terminal.

import { createColors } from "picocolors";
import { describe, expect, test } from "vitest";
import type { MeshEdge } from "../analyze/edges/mesh-edge.ts";
import type { EdgeList } from "../http/edges-contract.ts";
import { edgesTable, graphTree } from "./edge-view.ts";
import { edge } from "./testing/edge.ts";

const screen = { colours: createColors(false), isTty: false, columns: 80 };
const list = (edges: readonly MeshEdge[], more: Partial<EdgeList> = {}): EdgeList => ({
  version: 1,
  windowMs: 10_000,
  asOf: "2026-01-01T00:00:00.000Z",
  ageMs: 200,
  nodes: [{ name: "shop/web", kind: "workload" }],
  edges,
  unknownHosts: [],
  serviceEntries: [],
  silent: [],
  ...more,
});

const text = (lines: readonly string[]) => lines.join("\n").split("\n");

const outside = edge({
  from: { name: "(outside)", kind: "external" },
  to: { name: "shop/web", kind: "gateway" },
  service: "unknown",
  encryption: "tls",
  failedShare: 0,
});
const plain = edge({
  from: { name: "shop/web", kind: "workload" },
  to: { name: "shop/old", kind: "workload" },
  service: "old.shop.svc.cluster.local",
  encryption: "none",
  reason: "DestinationRule shop/old says tls DISABLE",
  source: "DestinationRule shop/old",
  state: "gap",
  requestsPerSecond: undefined,
  failedShare: undefined,
  latency: undefined,
  bytesSentPerSecond: undefined,
});
const unused = edge({
  to: { name: "shop/db-v2", kind: "workload" },
  version: "v2",
  state: "configured",
  bytesReceivedPerSecond: 0,
  bytesSentPerSecond: 0,
  failedShare: undefined,
  latency: undefined,
  configuredBy: ["VirtualService shop/db spec.http[0].route[1] (weight 0)"],
});
const queue = edge({
  from: { name: "shop/db", kind: "workload" },
  to: { name: "shop/web", kind: "workload" },
  service: "shop-front.shop.svc.cluster.local",
  protocol: "tcp",
  open: 3,
  latency: undefined,
  failedShare: undefined,
});

test("the table: a gap is no zero; below it why something isn't encrypted, and what is configured and idle", () => {
  expect(text(edgesTable(list([edge(), plain, unused]), screen))).toEqual([
    "FROM       TO           PORT      ENCRYPTED         RATE         FAILED   P50      P95       P99      BYTES      SERVICE   VERSION   CALLER'S IDENTITY              SERVER'S IDENTITY",
    "shop/web   shop/db      80/http   ✓ mTLS        ●   2.5/s        4.0 %    1.5 ms   20.0 ms   250 ms   1.5 kB/s   db        v1        cluster.local/ns/shop/sa/web   cluster.local/ns/shop/sa/db",
    "shop/web   shop/old     80/http   ✗ plaintext   ?   ? no data    -        -        -         -        ?          old       v1        -                              -",
    "shop/web   shop/db-v2   80/http   ✓ mTLS        ◌   configured   -        -        -         -        0 B/s      db        v2        cluster.local/ns/shop/sa/web   -",
    "",
    "1 of 2 edges are encrypted",
    "✗ plaintext shop/web → shop/old 80/http: DestinationRule shop/old says tls DISABLE",
    "",
    "routes that carry nothing:",
    "◌ shop/web → shop/db-v2: VirtualService shop/db spec.http[0].route[1] (weight 0)",
  ]);
});

test("the tree begins where requests come in, shows each place once, and circles end with an arrow", () => {
  const copies = edge({ mirrored: true, to: { name: "shop/db-v2", kind: "workload" }, version: "v2" });
  const nodes = [
    { name: "shop/alone", kind: "workload" as const },
    { name: "shop/web", kind: "workload" as const },
  ];
  expect(text(graphTree(list([outside, queue, edge(), copies], { nodes }), screen))).toEqual([
    "GRAPH                                          RATE     FAILED   P50      P95       P99      BYTES      ENCRYPTED",
    "(outside)",
    "└─ ● shop/web v1 80/http                       2.5/s    0.0 %    1.5 ms   20.0 ms   250 ms   1.5 kB/s   ✓ TLS",
    "   ├─ ● shop/db v1 80/http                     2.5/s    4.0 %    1.5 ms   20.0 ms   250 ms   1.5 kB/s   ✓ mTLS",
    "   │  └─ ● shop/web v1 (shop-front) 80/tcp ↑   3 open   -        -        -         -        1.5 kB/s   ✓ mTLS",
    "   └─ ● ⇉ shop/db-v2 80/http                   2.5/s    4.0 %    1.5 ms   20.0 ms   250 ms   1.5 kB/s   ✓ mTLS",
    "",
    "no calls: shop/alone",
    "",
    "4 of 4 edges are encrypted",
  ]);
});

test("a circle that nobody enters is shown too", () => {
  const back = edge({ from: { name: "shop/db", kind: "workload" }, to: { name: "shop/web", kind: "workload" } });
  expect(
    text(graphTree(list([edge(), back]), screen))
      .slice(1, 4)
      .map((line) => line.split(" v1")[0]),
  ).toEqual(["shop/db", "└─ ● shop/web", "   └─ ● shop/db"]);
});

describe("empty states teach", () => {
  test.each([
    [{}, "no proxy has counted a request yet"],
    [{ silent: ["web-1.shop"] }, "no proxy has counted a request yet; 1 of the proxies have not reported yet"],
    [{ nodes: [] }, "there is nothing here: no workload runs behind this name"],
  ])("%j", (more, first) => {
    for (const view of [graphTree, edgesTable]) expect(view(list([], more), screen)[0]).toBe(first);
  });

  test("where only some calls were asked for, others may be there", () => {
    for (const view of [graphTree, edgesTable]) {
      expect(view(list([]), screen, " of web in the last 10s")).toEqual([
        "no calls of web in the last 10s",
        "`lateen edges` shows all that there are",
      ]);
    }
  });
});

test("old data, silent proxies and unknown hosts are said", () => {
  const host = { namespace: "shop", workload: "web", protocol: "TLS" as const, host: "api.\u001b[31mtest", port: 443, count: 3, last: "" };
  const lines = text(
    edgesTable(list([edge()], { ageMs: 12_400, silent: ["a.shop", "b.shop"], unknownHosts: [{ ...host, refused: false }] }), screen),
  );
  expect(lines).toContain("the newest data are 12 s old");
  expect(lines).toContain("nothing was reported by a.shop, b.shop: their calls are missing");
  expect(lines).toContain("shop/web   api.\\u{1b}[31mtest:443   TLS        3       ! passed on");
});
