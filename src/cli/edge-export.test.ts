// The live graph for Graphviz and Mermaid, with names that try to write into it.

import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { describe, expect, test } from "vitest";
import { dotOf, mermaidOf } from "./edge-export.ts";
import { edge } from "./testing/edge.ts";

const hostile = [
  'odd "name"',
  'a"] --> b; n9["x',
  "back\\slash\\",
  "<script>alert(1)</script>",
  "line\nbreak\r\n end",
  "`markdown` #quot; &amp; | pipe",
  "end",
  "subgraph {x} (y) [z]",
  "\u202eevil\u001b[31m",
  "%% comment",
  "shop/wéb-🙂",
];

const plain = edge({ from: { name: "(outside)", kind: "external" }, encryption: "none" });
const copies = edge({ mirrored: true, state: "configured" });

test("plain names", () => {
  expect(dotOf([edge(), plain, copies]).split("\n")).toEqual([
    "digraph mesh {",
    "  rankdir=LR;",
    "  node [shape=box];",
    '  n0 [label="shop/web"];',
    '  n1 [label="shop/db"];',
    '  n2 [label="(outside)"];',
    '  n0 -> n1 [label="80/http 2.5/s ✓ mTLS"];',
    '  n2 -> n1 [label="80/http 2.5/s ✗ plaintext", style="bold", color="red"];',
    '  n0 -> n1 [label="80/http configured ✓ mTLS copies", style="dotted"];',
    "}",
  ]);
  expect(mermaidOf([edge(), plain, copies]).split("\n")).toEqual([
    "flowchart LR",
    '  n0["shop/web"]',
    '  n1["shop/db"]',
    '  n2["#40;outside#41;"]',
    '  n0 -->|"80/http 2.5/s ✓ mTLS"| n1',
    '  n2 ==>|"80/http 2.5/s ✗ plaintext"| n1',
    '  n0 -.->|"80/http configured ✓ mTLS copies"| n1',
    "  linkStyle 1 stroke:red",
  ]);
});

test("without edges both are graphs still", () => {
  expect(dotOf([])).toBe("digraph mesh {\n  rankdir=LR;\n  node [shape=box];\n}");
  expect(mermaidOf([])).toBe("flowchart LR\n  %% no request was counted yet");
});

const withHostile = hostile.map((name, index) =>
  edge({ from: { name, kind: "external" }, to: { name: `${name}${index}`, kind: "unknown" } }),
);

describe("hostile names stay names", () => {
  test("in Graphviz each is one quoted text", () => {
    const lines = dotOf(withHostile).split("\n");
    expect(lines).toHaveLength(4 + 3 * hostile.length);
    for (const line of lines.slice(3, -1)) expect(line).toMatch(/^ {2}n\d+( -> n\d+)? \[label="(?:[^"\\]|\\["\\])*"\];$/u);
  });

  test("in Mermaid nothing is left of what means something there", () => {
    const lines = mermaidOf(withHostile).split("\n");
    expect(lines).toHaveLength(1 + 3 * hostile.length);
    for (const line of lines.slice(1)) expect(line).toMatch(/^ {2}n\d+(\["[^"<>&|`\\[\]{}()]*"\]| -->\|"[^"<>&|`\\[\]{}()]*"\| n\d+)$/u);
  });

  test("Graphviz draws them", async () => {
    const graphviz = await Graphviz.load();
    const drawn = graphviz.dot(dotOf(withHostile));
    expect(drawn).toContain("odd &quot;name&quot;");
    expect(drawn.match(/<g id="edge\d+"/g)).toHaveLength(hostile.length);
    expect(() => graphviz.dot('digraph { n0 [label="a"b"c] }')).toThrow("syntax error");
  });
});
