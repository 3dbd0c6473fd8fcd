// The settled weights over restarts of the control plane: a small JSON file, replaced as a whole.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { SettledWeights } from "../model/weights.ts";

const schema = z.array(z.tuple([z.string(), z.object({ weights: z.array(z.number()), structure: z.string() })]));

/** What the process before this one kept; nothing when there is no readable file. */
export function readSettled(path: string): SettledWeights {
  try {
    return new Map(schema.parse(JSON.parse(readFileSync(path, "utf8"))));
  } catch {
    return new Map();
  }
}

/** Replaces the file. */
export function writeSettled(path: string, settled: SettledWeights): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, JSON.stringify([...settled]), { mode: 0o600 });
  renameSync(temporary, path);
}
