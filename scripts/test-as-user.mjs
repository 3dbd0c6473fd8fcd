// Runs the tests once more as an ordinary user, from a root process. Input: vitest's arguments; output: the exit code, and the report beside
// root's. The user, its home and its copy of the checkout are made for this run and removed after it; it does its own set-up.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { programOf } from "./setup/command.mjs";
import { ROOT } from "./setup/locate.mjs";
import { startProgram } from "./setup/start.mjs";
import { resultsFile } from "./test-results.mjs";

const END_WITHIN_MS = 10_000;
// Of root's own session, and not usable or not true for another user.
const NOT_PASSED_ON = /^(npm_.*|INIT_CWD|XDG_.*|TMPDIR|SUDO_.*|USER|LOGNAME|MAIL|LATEEN_.*|VITEST.*|DBUS_.*)$/i;

function mustRun(program, args, options = {}) {
  const run = spawnSync(program, args, { encoding: "utf8", ...options });
  if (run.error) throw run.error;
  if (run.status !== 0) throw new Error(`${program} ${args.join(" ")} failed: ${run.stderr?.trim()}`);
  return run.stdout;
}

/** Copies what git knows or would add, as it stands now; without git everything but what is generated. */
function copyCheckout(target) {
  const list = spawnSync("git", ["-c", `safe.directory=${ROOT}`, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (list.status !== 0) {
    const skipped = new Set(["node_modules", "gen", "dist", ".cache", ".git"].map((name) => join(ROOT, name)));
    cpSync(ROOT, target, { recursive: true, filter: (path) => !skipped.has(path) });
    return;
  }
  for (const name of list.stdout.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)))) {
    const from = join(ROOT, name);
    mkdirSync(dirname(join(target, name)), { recursive: true });
    if (lstatSync(from).isFile()) copyFileSync(from, join(target, name));
  }
}

/** The processes that run as the user: [{pid, command}]. */
function processesOf(uid) {
  const found = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (!new RegExp(`^Uid:\\s+${uid}\\s`, "m").test(status) || /^State:\s+Z/m.test(status)) continue;
      found.push({ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() });
    } catch {
      // It ended in between.
    }
  }
  return found;
}

/** Waits until the user has no process left; those that stay are killed and returned. */
async function endProcesses(uid) {
  const deadline = Date.now() + END_WITHIN_MS;
  while (processesOf(uid).length > 0 && Date.now() < deadline) await sleep(100);
  const left = processesOf(uid);
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended in between.
    }
  }
  if (left.length > 0) await sleep(500);
  return left;
}

function envOf(home) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_PASSED_ON.test(name)));
  return { ...env, HOME: home, LATEEN_TEST_COPY: "1" };
}

/** Runs the npm script `script` as a fresh ordinary user; its report becomes this checkout's report `label`. */
export async function testAsUser(args, { script, label }) {
  const missing = ["useradd", "userdel", "runuser"].filter((name) => programOf(name) === undefined);
  if (missing.length > 0) {
    process.stderr.write(
      `lateen: the tests cannot run as an ordinary user: ${missing.join(", ")} missing.\n  fix: apt-get install passwd util-linux\n`,
    );
    return 69;
  }
  const name = `lateen-test-${process.pid}`;
  const folder = mkdtempSync(join(tmpdir(), "lateen-user-"));
  const home = join(folder, "home");
  const copy = join(folder, "lateen");
  process.stderr.write(`… the same tests as the ordinary user ${name}\n`);
  try {
    mustRun(programOf("useradd"), ["--no-create-home", "--home-dir", home, "--shell", "/bin/sh", name]);
    const uid = Number(mustRun("id", ["-u", name]));
    mkdirSync(home);
    copyCheckout(copy);
    mustRun("chown", ["-R", `${name}:`, folder]);
    const command = ["-u", name, "--", "npm", "run", script, "--", ...args];
    // Not synchronous: a signal must reach the tests and still let us remove the user.
    const code = await startProgram(programOf("runuser"), command, { cwd: copy, env: envOf(home), stdin: "ignore" });
    const left = await endProcesses(uid);
    if (existsSync(resultsFile(label, copy))) copyFileSync(resultsFile(label, copy), resultsFile(label));
    for (const { pid, command } of left) process.stderr.write(`lateen: the tests left process ${pid} behind: ${command}\n`);
    return left.length > 0 ? 1 : code;
  } finally {
    spawnSync(programOf("userdel"), [name]);
    rmSync(folder, { recursive: true, force: true });
  }
}
