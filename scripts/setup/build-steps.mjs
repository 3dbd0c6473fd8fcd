// Set-up steps that make files: Envoy's types in gen/, the bundle in dist/. Input: Envoy, src; output: the folders with a stamp each.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.mjs";
import { EXIT, failureKindOf, failureOf, SetupFailure } from "./failure.mjs";
import { envoyOf, node24Of, ROOT } from "./locate.mjs";

/** Stops with what a program of ours printed. */
function failureOfScript(name, output) {
  if (["disk", "permission"].includes(failureKindOf(output))) return failureOf({ tool: name, what: "its files", where: ROOT, output });
  const fix = "Correct what the lines above say, then run it again.";
  return new SetupFailure({ kind: "build", message: `${name} failed.`, fix, exitCode: EXIT.software, details: output });
}

async function isGenFresh() {
  const { isGenFresh: isFresh } = await import("../gen-envoy.mjs");
  return isFresh(envoyOf());
}

async function runGen() {
  const { ok, output } = await runCommand(node24Of(), [join(ROOT, "scripts/gen-envoy.mjs"), envoyOf()], { cwd: ROOT });
  if (!ok) throw failureOfScript("Generating Envoy's types", output);
  return (
    output
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^gen\/: /, "") ?? ""
  );
}

/** All files below a folder that go into the bundle, as "path size time" lines, sorted. */
function filesBelow(folder) {
  const lines = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "testdata") lines.push(...filesBelow(path));
    } else if (!entry.name.endsWith(".test.ts")) {
      const { size, mtimeMs } = statSync(path);
      lines.push(`${path} ${size} ${mtimeMs}`);
    }
  }
  return lines.sort();
}

/** What dist/ depends on, as one hash. */
export function buildStamp(root = ROOT) {
  const hash = createHash("sha256");
  for (const name of ["gen/.stamp", "package-lock.json", "scripts/build.mjs"]) hash.update(readFileSync(join(root, name)));
  for (const line of filesBelow(join(root, "src"))) hash.update(`${line}\n`);
  return hash.digest("hex");
}

function isBuildFresh() {
  if (!existsSync(join(ROOT, "src/cli/main.ts"))) return true;
  const stamp = join(ROOT, "dist/.stamp");
  return existsSync(stamp) && readFileSync(stamp, "utf8") === buildStamp();
}

async function runBuild() {
  const { ok, output } = await runCommand(node24Of(), [join(ROOT, "scripts/build.mjs"), buildStamp()], { cwd: ROOT });
  if (!ok) throw failureOfScript("The build", output);
  return output.trim().split("\n").at(-1) ?? "";
}

/** The step that generates gen/: {id, title, isFresh, run, writesCheckout}. */
export const genStep = { id: "gen", title: "Envoy's API types", isFresh: isGenFresh, run: runGen, writesCheckout: true };

/** The step that bundles dist/: {id, title, isFresh, run, writesCheckout}. */
export const buildStep = { id: "build", title: "build", isFresh: isBuildFresh, run: runBuild, writesCheckout: true };
