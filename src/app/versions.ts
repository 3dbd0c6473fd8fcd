// Versions of this program and of what it runs.

import { execFileSync } from "node:child_process";

/** Lateen's own version, that of package.json (a test compares them: the bundle has no package.json beside it). */
export function lateenVersion(): string {
  return "0.1.0";
}

/** Envoy's version, "1.40.0", as the binary says it. */
export function envoyVersionOf(path: string): string {
  const said = execFileSync(path, ["--version"], { encoding: "utf8" });
  return /\/(\d+\.\d+\.\d+)\//.exec(said)?.[1] ?? said.trim();
}
