// The live graph for other programs: Graphviz and Mermaid. Names are quoted so that no host or certificate can write into the graph.

import type { MeshEdge } from "../analyze/edges/mesh-edge.ts";
import { encryptionText, isOpen, portText, rateText } from "./edge-words.ts";
import { printable } from "./printable.ts";

/** Graphviz. Copies are dotted, what carries nothing is grey and dashed, plaintext is red and bold. */
export function dotOf(edges: readonly MeshEdge[]): string {
  const names = namesOf(edges);
  const nodes = [...names].map(([name, id]) => `  ${id} [label=${dotText(name)}];`);
  const arrows = edges.map((edge) => {
    const attributes = [`label=${dotText(labelOf(edge))}`, ...dotStyle(edge)].join(", ");
    return `  ${names.get(edge.from.name)} -> ${names.get(edge.to.name)} [${attributes}];`;
  });
  return ["digraph mesh {", "  rankdir=LR;", "  node [shape=box];", ...nodes, ...arrows, "}"].join("\n");
}

function dotStyle(edge: MeshEdge): readonly string[] {
  if (edge.mirrored) return ['style="dotted"'];
  if (edge.state !== "live") return ['style="dashed"', 'color="gray"'];
  if (edge.encryption === "none") return ['style="bold"', 'color="red"'];
  return isOpen(edge) ? ['color="orange"'] : [];
}

/** Mermaid. Dotted arrows carry copies or nothing; plaintext is red, and thick. */
export function mermaidOf(edges: readonly MeshEdge[]): string {
  const names = namesOf(edges);
  const nodes = [...names].map(([name, id]) => `  ${id}["${mermaidText(name)}"]`);
  const arrows = edges.map((edge) => {
    const isDotted = edge.mirrored || edge.state !== "live";
    const arrow = isDotted ? "-.->" : edge.encryption === "none" ? "==>" : "-->";
    return `  ${names.get(edge.from.name)} ${arrow}|"${mermaidText(labelOf(edge))}"| ${names.get(edge.to.name)}`;
  });
  const plain = edges.flatMap((edge, index) => (edge.state === "live" && edge.encryption === "none" ? [index] : []));
  const styles = plain.length === 0 ? [] : [`  linkStyle ${plain.join(",")} stroke:red`];
  return ["flowchart LR", ...(nodes.length === 0 ? ["  %% no request was counted yet"] : nodes), ...arrows, ...styles].join("\n");
}

function labelOf(edge: MeshEdge): string {
  return `${portText(edge)} ${rateText(edge)} ${encryptionText(edge)}${edge.mirrored ? " copies" : ""}`;
}

/** Ids that no language reserves. */
function namesOf(edges: readonly MeshEdge[]): ReadonlyMap<string, string> {
  const names = [...new Set(edges.flatMap(({ from, to }) => [from.name, to.name]))];
  return new Map(names.map((name, index) => [name, `n${index}`]));
}

function dotText(text: string): string {
  return `"${printable(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

const mermaidSpecial = /["#<>&|`\\[\]{}()]/g;

/** Entity codes for all that means something in Mermaid or HTML. */
function mermaidText(text: string): string {
  return printable(text).replace(mermaidSpecial, (character) => `#${character.codePointAt(0) ?? 0};`);
}
