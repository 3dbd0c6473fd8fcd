// Sums vitest's JSON reports. Input: .cache/test-results/*.json; output: numbers, or with `node scripts/test-results.mjs` what failed
// with its message (the reports are long, and their end is what people see), a last line "N passed, N failed" on stdout, and the exit
// code 1 when one failed or none ran.
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

/** What failed in one vitest report, each as lines: where, then the start of its message. Paths are relative to `root`. */
export function failuresOf(report, label) {
  return report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    // The ordinary user's copy lies elsewhere: the path from src, test or scripts on is what both have in common.
    const file = name.replace(/^.*?\/(?=(?:src|test|scripts)\/)/, "");
    const bad = assertionResults.filter((result) => result.status !== "passed");
    if (bad.length === 0) return status === "failed" ? [`✗ ${label}: ${file}\n${shortMessage(message)}`] : [];
    return bad.map(
      (result) => `✗ ${label}: ${file} > ${result.fullName} (${result.status})\n${shortMessage(result.failureMessages?.join("\n"))}`,
    );
  });
}

function shortMessage(message = "") {
  return message
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.includes("node_modules"))
    .slice(0, 25)
    .map((line) => `    ${line.slice(0, 300)}`)
    .join("\n");
}

/** The sum over all reports in the folder, and what failed in them. */
export function totalsIn(folder = FOLDER) {
  const total = { passed: 0, failed: 0, failures: [] };
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  for (const name of names.toSorted()) {
    const report = JSON.parse(readFileSync(join(folder, name), "utf8"));
    const counts = countsOf(report);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.failures.push(...failuresOf(report, name.replace(".json", "")));
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
    for (const failure of total.failures) process.stdout.write(`${failure}\n`);
    process.stdout.write(`${total.passed} passed, ${failed} failed\n`);
    process.exitCode = failed > 0 || total.passed === 0 ? 1 : 0;
  }
}
