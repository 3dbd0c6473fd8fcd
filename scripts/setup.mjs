// Makes everything that Lateen needs, each step only when needed: plain Node >= 20 without dependencies.
// Usage: node scripts/setup.mjs. Prints to stderr only. Exit codes: 0 done; 65 wrong checksum or lock file; 69 network, program or
// permission for namespaces missing; 70 build failed; 73 no disk space or no permission to write; 78 unsupported Node or platform.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildStep, genStep } from "./setup/build-steps.mjs";
import { envoyStep } from "./setup/envoy-step.mjs";
import { EXIT, failureOfException, failureText, SetupFailure } from "./setup/failure.mjs";
import { ROOT } from "./setup/locate.mjs";
import { takeLock } from "./setup/lock.mjs";
import { checkPlatform, npmStep } from "./setup/npm-step.mjs";
import { startStep } from "./setup/progress.mjs";
import { namespaceCheck, toolsStep } from "./setup/system-step.mjs";

/** The steps of each purpose, in order. */
export const STEPS = {
  run: [npmStep, toolsStep, envoyStep, genStep, buildStep],
  // Tests run from the sources: a part that is half written must not keep others from testing theirs.
  vitest: [npmStep, toolsStep, envoyStep, genStep],
  check: [npmStep, envoyStep, genStep],
  build: [npmStep, envoyStep, genStep, buildStep],
};

/** The first step that is not fresh, or undefined; the steps after it may depend on it, so they are not asked. */
async function firstStale(steps) {
  for (const step of steps) {
    if (!(await step.isFresh())) return step;
  }
  return undefined;
}

async function runSteps(steps) {
  for (const step of steps) {
    if (await step.isFresh()) continue;
    const line = startStep(step.title);
    try {
      line.done(await step.run(line));
    } catch (error) {
      line.fail();
      throw failureOfException(error, ROOT);
    }
  }
}

/** Does all set-up for a purpose (a key of STEPS). Returns whether something had to be done; throws a SetupFailure. */
export async function setUp(purpose) {
  checkPlatform();
  const steps = STEPS[purpose];
  // What a user has of his own needs no lock, so that he can also use a checkout that he may not write to.
  const own = steps.filter((step) => !step.writesCheckout);
  const isStale = (await firstStale(steps)) !== undefined;
  if (isStale && npmStep.isFresh()) await runSteps(own);
  if (isStale && (await firstStale(steps)) !== undefined) await withLock(() => runSteps(steps));
  if (steps.includes(toolsStep)) await namespaceCheck.check();
  return isStale;
}

async function withLock(action) {
  let release;
  try {
    release = await takeLock(join(ROOT, ".cache/setup.lock"), () =>
      process.stderr.write("… waiting for another set-up of this checkout\n"),
    );
  } catch (error) {
    throw failureOfException({ code: error.code }, ROOT);
  }
  try {
    await action();
  } finally {
    release();
  }
}

/** Prints a failure for a person and returns the exit code. */
export function reportFailure(error) {
  if (error instanceof SetupFailure) {
    process.stderr.write(failureText(error));
    return error.exitCode;
  }
  process.stderr.write(`lateen: the set-up failed unexpectedly: ${error?.stack ?? error}\n  fix: please report this as a bug\n`);
  return EXIT.software;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const worked = await setUp("run");
    process.stderr.write(worked ? "Set-up is complete.\n" : "Set-up is complete; nothing had to be done.\n");
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}
