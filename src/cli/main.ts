// The program's entry: one of its own roles (control plane, node) when the supervisor starts it, else the command line.

import { roleArgument } from "../app/role-argument.ts";

const [first, second, ...rest] = process.argv.slice(2);
if (first === roleArgument) {
  const { runRole } = await import("../app/run-role.ts");
  await runRole(second ?? "");
} else {
  const { runProgram } = await import("./program.ts");
  process.exitCode = await runProgram([first, second, ...rest].filter((word) => word !== undefined));
}
