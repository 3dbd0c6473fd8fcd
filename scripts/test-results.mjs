// Sums vitest's JSON reports. Input: .cache/test-results/*.json; output: numbers, or with `node scripts/test-results.mjs` one line
// "N passed, N failed" on stdout, the exit code 1 when one failed or none ran.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./setup/locate.mjs";

const FOLDER = join(ROOT, ".cache/test-results");

/** The file of one run's report. */
export function resultsFile(label, root = ROOT) {
  return join(root, ".cache/test-results", `${label}.json`);
}

/** {passed, failed} of one vitest report. A file that could not even be loaded, and a skipped test, count as failed: nothing is skipped silently. */
export function countsOf(report) {
  let passed = 0;
  let failed = 0;
  for (const { status, assertionResults } of report.testResults) {
    const bad = assertionResults.filter((result) => result.status !== "passed").length;
    passed += assertionResults.length - bad;
    failed += bad === 0 && status === "failed" ? 1 : bad;
  }
  return { passed, failed };
}

/** The sum over all reports in the folder. */
export function totalsIn(folder = FOLDER) {
  const total = { passed: 0, failed: 0 };
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  for (const name of names) {
    const counts = countsOf(JSON.parse(readFileSync(join(folder, name), "utf8")));
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
  return total;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv[2] === "--clear") {
    rmSync(FOLDER, { recursive: true, force: true });
  } else {
    const total = totalsIn();
    // The command's own exit code: types, lint, set-up or a crash failed even when every counted test passed.
    const commandFailed = Number(process.argv[2] ?? 0) !== 0;
    const failed = commandFailed && total.failed === 0 ? 1 : total.failed;
    process.stdout.write(`${total.passed} passed, ${failed} failed\n`);
    process.exitCode = failed > 0 || total.passed === 0 ? 1 : 0;
  }
}
