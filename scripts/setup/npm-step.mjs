// Set-up step: npm dependencies from the lock file, Node >= 24 among them. Input: package-lock.json; output: node_modules with a stamp.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOf, runCommand } from "./command.mjs";
import { EXIT, failureOf, SetupFailure } from "./failure.mjs";
import { node24Of, nodePackageOf, ROOT } from "./locate.mjs";

const STAMP = join(ROOT, "node_modules/.lateen-stamp");
const LOCK = join(ROOT, "package-lock.json");
// npm's own record of what it installed.
const RECORD = join(ROOT, "node_modules/.package-lock.json");
const POLL_MS = 1_000;
// Not "npm ci": it refuses a lock file that lacks an optional package for another platform, which a registry mirror may not have.
// --no-save leaves the lock file as it is; isInstalled then holds the result to it.
const NPM_ARGS = [
  "install",
  "--no-save",
  "--ignore-scripts",
  "--include=dev",
  "--include=optional",
  "--no-audit",
  "--no-fund",
  // Each request with its result, so that a dead network shows at once: npm's own retries add up to minutes.
  "--loglevel=http",
  "--fetch-retry-mintimeout=1000",
  "--fetch-retry-maxtimeout=5000",
];
const GIVE_UP_AFTER_FAILURES = 6;

/** Hash of the lock file: what the stamp in node_modules must say. */
export function lockHash(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** Whether npm's own record of what it installed agrees with the lock file; packages for other platforms may be missing. */
export function isInstalled(lock, installed) {
  const known = installed.packages ?? {};
  const wanted = Object.entries(lock.packages).filter(([path]) => path !== "");
  const names = new Set(wanted.map(([path]) => path));
  const isExpected = ([path, { optional }]) => names.has(path) || optional === true;
  const isWanted = ([path, { optional, version, integrity }]) => {
    const found = known[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  };
  return wanted.every(isWanted) && Object.entries(known).every(isExpected);
}

function isFresh() {
  const text = readFileSync(LOCK, "utf8");
  const hash = lockHash(text);
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === hash) return node24Of() !== undefined;
  // Someone ran npm install himself: accept what it made instead of installing everything again.
  if (!existsSync(RECORD) || !isInstalled(JSON.parse(text), JSON.parse(readFileSync(RECORD, "utf8")))) return false;
  try {
    writeFileSync(STAMP, hash);
  } catch {
    // A read-only checkout: compare again next time.
  }
  return node24Of() !== undefined;
}

/** npm as [program, first arguments]: the one that runs us, else the one on PATH. */
function npmCommand() {
  const running = process.env.npm_execpath;
  if (running?.endsWith("npm-cli.js") && existsSync(running)) return [process.execPath, [running]];
  const npm = programOf("npm");
  if (npm !== undefined) return [npm, []];
  throw new SetupFailure({ kind: "npm", message: "npm is not on PATH.", fix: "Install Node 20 or newer together with npm." });
}

/** Watches npm's log and stops it when requests fail and none has worked. Returns the watcher for runCommand. */
export function deadNetworkWatch() {
  let failures = 0;
  let successes = 0;
  return (text, stop) => {
    failures += text.match(/ attempt \d+ failed with /g)?.length ?? 0;
    successes += text.match(/ http fetch \S+ [23]\d\d /g)?.length ?? 0;
    if (successes === 0 && failures >= GIVE_UP_AFTER_FAILURES) stop();
  };
}

async function checkNode24() {
  const name = nodePackageOf();
  const node = node24Of();
  if (node === undefined) {
    const message = `npm left out the package ${name}, which holds Node 24.`;
    throw new SetupFailure({
      kind: "node",
      message,
      fix: "Remove node_modules, check that npm's settings do not omit optional dependencies, and run it again.",
    });
  }
  const { ok, output } = await runCommand(node, ["--version"]);
  if (ok) return output.trim();
  const message = `Node 24 from the package ${name} does not run here: ${output.trim().split("\n")[0]}.`;
  throw new SetupFailure({
    kind: "node",
    message,
    fix: "Install Node 24 or newer yourself and put it first on PATH (the npm package needs glibc).",
  });
}

async function run(step) {
  const lockText = readFileSync(LOCK, "utf8");
  const folders = Object.entries(JSON.parse(lockText).packages)
    .filter(([path, { optional }]) => path !== "" && optional !== true)
    .map(([path]) => join(ROOT, path, "package.json"));
  const target = { tool: "npm", what: "the npm packages", where: ROOT };
  const [program, first] = npmCommand();
  const timer = setInterval(
    () => step.update(`${folders.filter((path) => existsSync(path)).length} of ${folders.length} packages`),
    POLL_MS,
  );
  const result = await runCommand(program, [...first, ...NPM_ARGS], { cwd: ROOT, onText: deadNetworkWatch() }).finally(() =>
    clearInterval(timer),
  );
  if (!result.ok) throw failureOf({ ...target, output: result.output });
  if (!isInstalled(JSON.parse(lockText), JSON.parse(readFileSync(RECORD, "utf8"))))
    throw failureOf({ ...target, output: "npm error code EUSAGE" });
  const version = await checkNode24();
  writeFileSync(STAMP, lockHash(lockText));
  return `${folders.length} packages, Node ${version}`;
}

/** Refuses what cannot work at all, before anything is fetched. */
export function checkPlatform({ platform = process.platform, arch = process.arch, version = process.versions.node } = {}) {
  if (Number.parseInt(version, 10) < 20) {
    throw new SetupFailure({
      kind: "node",
      message: `Node ${version} is too old.`,
      fix: "Install Node 20 or newer.",
      exitCode: EXIT.config,
    });
  }
  if (nodePackageOf(platform, arch) === undefined) {
    const message = `${platform}-${arch} is not supported.`;
    throw new SetupFailure({ kind: "platform", message, fix: "Use Linux on x64 or arm64.", exitCode: EXIT.config });
  }
}

/** The step: {id, title, isFresh, run, writesCheckout}. */
export const npmStep = { id: "npm", title: "npm packages and Node 24", isFresh, run, writesCheckout: true };
