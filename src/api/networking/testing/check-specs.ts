// A table of specs and what is wrong with each → a test for every row.

import { expect, test } from "vitest";
import { parseManifests } from "../../parse.ts";

/** Spec of a resource in YAML, and "LTN0205 spec.http[0]" of everything that is wrong with it. */
export type SpecCase = readonly [spec: string, ...expected: string[]];

function findings(kind: string, spec: string): readonly string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: ${kind}, metadata: {name: web}, spec: ${spec}}`;
  return parseManifests(text, { file: "x.yaml" }).diagnostics.map(({ code, path }) => `${code} ${path}`);
}

/** Tests that each spec of a kind of networking.istio.io has these findings and no others. */
export function checkSpecs(kind: string, cases: readonly SpecCase[]): void {
  test.each(cases.map(([spec, ...expected]) => [spec.slice(0, 200), expected, spec] as const))("%s: %j", (_short, expected, spec) => {
    expect(findings(kind, spec).toSorted()).toEqual(expected.toSorted());
  });
}
