// Runs a line of code in a Node process of its own, with a module of src/ca as `ca`: for what two processes do to one directory.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Starts it; `module` is a file of src/ca. The process inherits stderr only on demand and is not waited for. */
export function startInOtherProcess(module: string, code: string, args: readonly string[]): ChildProcess {
  const file = pathToFileURL(fileURLToPath(new URL(`../${module}`, import.meta.url))).href;
  const script = `const ca = await import(${JSON.stringify(file)}); const [directory] = process.argv.slice(1); ${code}`;
  return spawn(process.execPath, ["--input-type=module", "-e", script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

/** What it printed; rejects with its errors when it failed. */
export async function outputOf(child: ChildProcess): Promise<string> {
  if (!child.stdout || !child.stderr) throw new Error("the process has no pipes");
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  if (code !== 0) throw new Error(err);
  return out;
}
