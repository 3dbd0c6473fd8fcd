import { createColors } from "picocolors";
import { expect, test } from "vitest";
import type { LiveEdge } from "../../analyze/edges/edge.ts";
import { dotOf, mermaidOf, printEdges } from "./graph.ts";

const identity = (name: string) => `spiffe://cluster.local/ns/shop/sa/${name}`;
const edge = (more: Partial<LiveEdge> = {}): LiveEdge => ({
  from: { name: "shop/web", kind: "workload", identity: identity("web") },
  to: { name: "shop/db", kind: "workload", identity: identity("db") },
  port: 80,
  protocol: "http",
  encryption: "mtls",
  connections: 1,
  requests: 10,
  active: 1,
  requestsPerSecond: 2.5,
  live: true,
  ...more,
});
const plain = edge({
  from: { name: 'odd "name"', kind: "unknown" },
  to: { name: "shop/db", kind: "workload" },
  encryption: "none",
  reason: "DestinationRule shop/db says tls DISABLE",
  source: "DestinationRule shop/db",
  live: false,
});

test("the table has both ends' identities; what is not encrypted is told with its reason", () => {
  const lines: string[] = [];
  printEdges([edge(), plain], {
    out: (line) => lines.push(line),
    err: () => {},
    raw: () => {},
    colours: createColors(false),
    isTty: false,
    columns: 80,
  });
  expect(lines.join("\n").split("\n")).toEqual([
    "FROM         TO        PORT      ENCRYPTED     REQ/S   OPEN   CALLER'S IDENTITY              SERVER'S IDENTITY",
    "shop/web     shop/db   80/http   ✓ mTLS        2.5     1      cluster.local/ns/shop/sa/web   cluster.local/ns/shop/sa/db",
    'odd "name"   shop/db   80/http   ✗ plaintext   idle    1      -                              -',
    "",
    "1 of 2 edges are encrypted",
    '✗ plaintext odd "name" → shop/db:80: DestinationRule shop/db says tls DISABLE',
  ]);
});

test("graphs for other programs keep quotes apart and mark what is open", () => {
  expect(dotOf([edge(), plain]).split("\n")).toEqual([
    "digraph mesh {",
    "  rankdir=LR;",
    '  "shop/web" -> "shop/db" [label="80/http ✓ mTLS"];',
    `  "odd 'name'" -> "shop/db" [label="80/http ✗ plaintext", color="red", style="bold"];`,
    "}",
  ]);
  expect(mermaidOf([edge(), plain]).split("\n")).toEqual([
    "flowchart LR",
    '  n0["shop/web"]',
    '  n1["shop/db"]',
    `  n2["odd 'name'"]`,
    '  n0 -->|"80/http ✓ mTLS"| n1',
    '  n2 -.->|"80/http ✗ plaintext"| n1',
  ]);
});
