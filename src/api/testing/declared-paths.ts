// The fields of a kind as the published types of Istio's API declare them, to compare our schemas with.

import { readFileSync } from "node:fs";

const typesFolder = new URL("../../../node_modules/@kubernetes-models/istio/", import.meta.url);

/** A field path without the marks of lists and of a map's values. */
export function plainPath(path: string): string {
  return path.replaceAll("[]", "").replace(/\.\*$/, "");
}

/** Plain paths in the declaration "<group>/<version>/<kind>.d.ts", told by its indentation, without status and metadata; unions repeat their fields at one depth. */
export function declaredPaths(file: string): readonly string[] {
  const text = readFileSync(new URL(file, typesFolder), "utf8").split("export declare class")[0] ?? "";
  const stack: string[] = [];
  const paths = new Set<string>();
  for (const line of text.split("\n")) {
    const field = /^(\s*)(?:"([^"]+)"|\[key: string\])\??: /.exec(line);
    if (field === null) continue;
    stack.length = (field[1] ?? "").length / 4 - 1;
    stack.push(field[2] ?? "*");
    paths.add(plainPath(stack.join(".")));
  }
  return [...paths].filter((path) => !path.startsWith("status") && !path.startsWith("metadata"));
}
