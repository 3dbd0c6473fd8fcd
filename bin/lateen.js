#!/usr/bin/env node
// The `lateen` command in the repository: runs dist/main.js under Node 24. Input: arguments; output: the exit code of the program.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { childEnv, envoyOf, node24Of, ROOT } from "../scripts/setup/locate.mjs";

const main = join(ROOT, "dist/main.js");
const node = node24Of();

if (node === undefined || !existsSync(main) || envoyOf() === undefined) {
  process.stderr.write("lateen: the set-up of this checkout is not complete.\n  fix: npm run setup\n");
  process.exitCode = 69;
} else if (node === process.execPath) {
  Object.assign(process.env, childEnv());
  process.argv[1] = main;
  await import(pathToFileURL(main).href);
} else {
  const { startNode24 } = await import("../scripts/setup/start.mjs");
  process.exitCode = await startNode24([main, ...process.argv.slice(2)]);
}
