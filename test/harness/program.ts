// Which program end-to-end tests start: the bundle that `npm test` has just built, else the sources.

import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Path of the program's entry; LATEEN_MAIN is set by scripts/run.mjs after a build. */
export const mainPath = process.env["LATEEN_MAIN"] ?? `${root}/src/cli/main.ts`;
