// What the mesh engine keeps over restarts of the control plane: settled weights and resolved names, a small JSON file replaced as a whole.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { Kept } from "./mesh-engine.ts";

const schema = z.object({
  settled: z.array(
    z.tuple([z.string(), z.object({ weights: z.array(z.number()), structure: z.string(), moving: z.boolean().optional() })]),
  ),
  resolved: z.array(z.tuple([z.string(), z.array(z.string())])),
});

/** What the process before this one kept; nothing when there is no readable file. */
export function readKept(path: string): Kept {
  try {
    const { settled, resolved } = schema.parse(JSON.parse(readFileSync(path, "utf8")));
    return { settled: new Map(settled), resolved: new Map(resolved) };
  } catch {
    return { settled: new Map(), resolved: new Map() };
  }
}

/** Replaces the file. */
export function writeKept(path: string, { settled, resolved }: Kept): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, JSON.stringify({ settled: [...settled], resolved: [...resolved] }), { mode: 0o600 });
  renameSync(temporary, path);
}
