// From a parsed YAML document to plain values, with budgets for what aliases multiply; duplicate keys and odd keys are refused.

import { isAlias, isMap, isScalar, isSeq, type Pair, type YAMLMap } from "yaml";
import type { Code } from "./codes.ts";
import { maxDepth, maxValues } from "./json.ts";

/** A finding by its place in the text. */
export interface OffsetFinding {
  readonly code: Code;
  readonly message: string;
  readonly offset: number;
}

export interface PlainValue {
  readonly value: unknown;
  readonly findings: readonly OffsetFinding[];
  /** What each alias stands for, by its name; the last one of a name. */
  readonly anchors: ReadonlyMap<string, unknown>;
}

/** Text an object may hold after its aliases are followed, in UTF-16 units. */
const maxText = 4 * 1024 * 1024;

/** Converts a document's contents; null for an empty one. */
export function plainValueOf(contents: unknown): PlainValue {
  const conversion = new Conversion();
  const value = conversion.of(contents, 0);
  return { value, findings: conversion.findings, anchors: conversion.anchors };
}

class Conversion {
  readonly findings: OffsetFinding[] = [];
  readonly anchors = new Map<string, unknown>();
  readonly #open = new Set<unknown>();
  #values = 0;
  #text = 0;

  of(node: unknown, depth: number): unknown {
    this.#values += 1;
    if (this.#spent()) return null;
    if (depth > maxDepth + 1) return this.#refuse("LTN0003", `more than ${maxDepth} levels are nested`, node);
    if (this.#values > maxValues) return this.#refuse("LTN0003", `more than ${maxValues} values in one document`, node);
    if (isAlias(node)) return this.#alias(node.source, node, depth);
    if (isMap(node) || isSeq(node) || isScalar(node)) {
      if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
    }
    if (isScalar(node)) return this.#scalar(node.value, node);
    if (isMap(node)) return this.#inside(node, () => this.#map(node, depth));
    if (isSeq(node)) return this.#inside(node, () => node.items.map((item) => this.of(item, depth + 1)));
    return null;
  }

  #spent(): boolean {
    return this.findings.some((finding) => finding.code === "LTN0003") || this.findings.length >= 50;
  }

  #inside(node: unknown, convert: () => unknown): unknown {
    this.#open.add(node);
    const value = convert();
    this.#open.delete(node);
    return value;
  }

  #alias(name: string, node: unknown, depth: number): unknown {
    if (!this.anchors.has(name)) return this.#refuse("LTN0002", `the alias *${name} stands for nothing`, node);
    const target = this.anchors.get(name);
    if (this.#open.has(target)) return this.#refuse("LTN0002", `the alias *${name} contains itself`, node);
    return this.of(target, depth);
  }

  #scalar(value: unknown, node: unknown): unknown {
    if (typeof value === "string") {
      this.#text += value.length;
      if (this.#text > maxText) return this.#refuse("LTN0003", "the document's text is too large once aliases are followed", node);
    }
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null) return value;
    return this.#refuse("LTN0002", "the value has a type that JSON doesn't know", node);
  }

  #map(map: YAMLMap, depth: number): unknown {
    const own = new Map<string, unknown>();
    const merged = new Map<string, unknown>();
    for (const pair of map.items) {
      const key = this.#key(pair);
      if (key === undefined) continue;
      if (key === "<<" && isMergeable(pair.value)) {
        this.#merge(this.of(pair.value, depth), merged);
      } else if (own.has(key)) {
        this.#refuse("LTN0004", `the key "${key.slice(0, 80)}" stands here twice`, pair.key);
      } else {
        own.set(key, this.of(pair.value, depth + 1));
      }
    }
    for (const [key, value] of merged) if (!own.has(key)) own.set(key, value);
    return Object.fromEntries(own);
  }

  #merge(value: unknown, into: Map<string, unknown>): void {
    const sources = Array.isArray(value) ? value : [value];
    for (const source of sources) {
      if (typeof source !== "object" || source === null) continue;
      for (const [key, child] of Object.entries(source)) if (!into.has(key)) into.set(key, child);
    }
  }

  #key(pair: Pair): string | undefined {
    const { key } = pair;
    if (isScalar(key)) {
      if (key.anchor !== undefined) this.anchors.set(key.anchor, key);
      return key.source ?? String(key.value ?? "");
    }
    this.#refuse("LTN0002", "a key must be a plain word", key);
    return undefined;
  }

  #refuse(code: Code, message: string, node: unknown): null {
    if (this.#spent()) return null;
    this.findings.push({ code, message, offset: offsetOf(node) });
    return null;
  }
}

function isMergeable(value: unknown): boolean {
  return isAlias(value) || isMap(value) || isSeq(value);
}

/** Where a node begins in its document's text. */
export function offsetOf(node: unknown): number {
  if (isAlias(node) || isScalar(node) || isMap(node) || isSeq(node)) return node.range?.[0] ?? 0;
  return 0;
}
