// The program's entry: one of its own roles (control plane, node) when the supervisor starts it, else the command line.

import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { roleArgument } from "../app/role-argument.ts";

// The bundle's compiled code is kept beside it for the next start; where that can't be written, nothing is.
if (import.meta.url.endsWith("/dist/main.js")) enableCompileCache(fileURLToPath(new URL("./compile-cache", import.meta.url)));

const [first, second, ...rest] = process.argv.slice(2);
if (first === roleArgument) {
  const { runRole } = await import("../app/run-role.ts");
  await runRole(second ?? "");
} else {
  const { runProgram } = await import("./program.ts");
  // `lateen status | head`: who has read enough ends us, as with any other command.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  // `lateen up -d` and `lateen up 2>&1 | head`: a mesh goes on when nobody reads its messages any more.
  process.stderr.on("error", () => {});
  process.exitCode = await runProgram([first, second, ...rest].filter((word) => word !== undefined));
}
