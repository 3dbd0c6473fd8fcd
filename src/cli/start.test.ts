// What a command loads before it can ask the mesh anything: by that it is quick, or not. Counted, not timed.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";

const loadedSchema = z.object({ files: z.array(z.string()), builtins: z.array(z.string()) });

/** Loads modules of this folder in a process of its own; what came with them. */
function loadedBy(...modules: readonly string[]) {
  const urls = modules.map((module) => new URL(module, import.meta.url).href);
  const program = `
    import { registerHooks } from "node:module";
    const files = [];
    registerHooks({ load: (url, context, next) => { files.push(url); return next(url, context); } });
    for (const url of ${JSON.stringify(urls)}) await import(url);
    process.stdout.write(JSON.stringify({ files, builtins: process.moduleLoadList }));`;
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: fileURLToPath(new URL("../..", import.meta.url)) });
  expect(stderr).toBe("");
  return loadedSchema.parse(JSON.parse(stdout));
}

const undici = "NativeModule internal/deps/undici/undici";
const isKinds = (url: string) => url.endsWith("/src/api/registry.ts");

test("commands that show telemetry ask the mesh without Node's undici and the table of all kinds", () => {
  const commands = ["stat", "graph", "top", "tap", "trace-list", "trace-get"].map((command) => `commands/${command}.ts`);
  const { files, builtins } = loadedBy("program.ts", ...commands);
  expect(files.some((url) => url.endsWith("/src/http/transport.ts"))).toBe(true);
  expect(builtins).not.toContain(undici);
  expect(files.filter(isKinds)).toEqual([]);
});

test("get needs the kinds, and no undici either", () => {
  const { files, builtins } = loadedBy("program.ts", "commands/get.ts");
  expect(files.some(isKinds)).toBe(true);
  expect(builtins).not.toContain(undici);
});

test("help loads no command and no client", () => {
  const { files } = loadedBy("program.ts");
  expect(files.filter((url) => url.includes("/src/http/"))).toEqual([]);
});
