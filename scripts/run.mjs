// Runs one of the project's commands under Node 24, after the set-up it needs. Input: node scripts/run.mjs <what> [args]; output: its exit code.
// Only the command itself writes to stdout. What: lateen, test, test:slow, bench, check, build, vitest.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./setup/locate.mjs";
import { startNode24 } from "./setup/start.mjs";
import { reportFailure, setUp } from "./setup.mjs";
import { testAsUser } from "./test-as-user.mjs";
import { resultsFile } from "./test-results.mjs";

const inRoot = (path) => join(ROOT, path);
const TSC = inRoot("node_modules/typescript/bin/tsc");
const BIOME = inRoot("node_modules/@biomejs/biome/bin/biome");
const VITEST = inRoot("node_modules/vitest/vitest.mjs");

function lateen(args) {
  const bundled = inRoot("dist/main.js");
  process.env.LATEEN_COMMAND_START = String(performance.timeOrigin);
  return startNode24([existsSync(bundled) ? bundled : inRoot("src/cli/main.ts"), ...args]);
}

/** Types and lint; both always run, the first failure is the exit code. */
async function check(args) {
  const codes = [];
  for (const [name, command] of [
    ["types", [TSC, "--noEmit", "-p", ROOT]],
    ["lint", [BIOME, "check", ...(args.length > 0 ? args : [ROOT])]],
  ]) {
    const code = await startNode24(command, { cwd: ROOT });
    process.stderr.write(`${code === 0 ? "✓" : "✗"} ${name}\n`);
    codes.push(code);
  }
  return codes.find((code) => code !== 0) ?? 0;
}

/** vitest with its usual report, and a JSON report that .ci/run sums up. `label` names the run: "root", "user", "slow-root" … */
async function vitest(args, { label, suite }) {
  const results = resultsFile(label);
  mkdirSync(inRoot(".cache/test-results"), { recursive: true });
  rmSync(results, { force: true });
  process.env.LATEEN_SUITE = suite;
  // What users run is what is tested: the bundle, where there is one.
  if (existsSync(inRoot("dist/main.js"))) process.env.LATEEN_MAIN = inRoot("dist/main.js");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
  return startNode24([VITEST, "run", ...reporters, ...args], { cwd: ROOT });
}

/** Builds dist/; a failure is reported and its code returned, because the tests of other parts are still worth running. */
async function build() {
  try {
    await setUp("build");
    return 0;
  } catch (error) {
    return reportFailure(error);
  }
}

/**
 * Static checks, the tests as this user, and when that is root as an ordinary user too: in "fast" those that depend on the user, in "slow" all.
 * All run; the first failure counts.
 */
async function test(args, suite) {
  const isRoot = process.getuid?.() === 0;
  const codes = [await build()];
  const prefix = suite === "slow" ? "slow-" : "";
  // In the ordinary user's copy the same files would be checked a second time.
  if (suite === "fast" && process.env.LATEEN_TEST_COPY === undefined) codes.push(await check([]));
  const isCopy = process.env.LATEEN_TEST_COPY !== undefined;
  const chosen = isCopy ? `${prefix}user` : suite;
  codes.push(await vitest(args, { label: `${prefix}${isRoot ? "root" : "user"}`, suite: chosen }));
  if (isRoot) codes.push(await testAsUser(args, { script: suite === "slow" ? "test:slow" : "test", label: `${prefix}user` }));
  return codes.find((code) => code !== 0) ?? 0;
}

const COMMANDS = {
  lateen: { needs: "run", run: lateen },
  test: { needs: "vitest", run: (args) => test(args, "fast") },
  "test:slow": { needs: "vitest", run: (args) => test(args, "slow") },
  bench: { needs: "run", run: (args) => startNode24([inRoot("test/bench/main.ts"), ...args]) },
  check: { needs: "check", run: check },
  build: { needs: "build", run: async () => 0 },
  vitest: { needs: "vitest", run: (args) => startNode24([VITEST, ...args], { cwd: ROOT }) },
};

async function main([what, ...args]) {
  const command = Object.hasOwn(COMMANDS, what ?? "") ? COMMANDS[what] : undefined;
  if (command === undefined) {
    process.stderr.write(`usage: node scripts/run.mjs <${Object.keys(COMMANDS).join("|")}> [arguments]\n`);
    return 64;
  }
  try {
    await setUp(command.needs);
  } catch (error) {
    return reportFailure(error);
  }
  return command.run(args);
}

process.exitCode = await main(process.argv.slice(2));
