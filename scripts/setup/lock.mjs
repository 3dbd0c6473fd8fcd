// One set-up at a time per checkout. Input: a lock file's path; output: a release function. The file appears with its content in one
// step (link), so a reader never sees half of it; a lock whose owner is gone is taken over.
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const HEARTBEAT_MS = 2_000;
const DEAD_AFTER_MS = 6_000;
const SILENT_AFTER_MS = 120_000;
const POLL_MS = 100;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Whether a lock that was touched `ageMs` ago is left over. The age counts too: the owner may live in another PID namespace. */
export function isLeftOver({ ageMs, alive }) {
  return ageMs > SILENT_AFTER_MS || (ageMs > DEAD_AFTER_MS && !alive);
}

function removeIfLeftOver(path) {
  try {
    const ageMs = Date.now() - statSync(path).mtimeMs;
    if (isLeftOver({ ageMs, alive: isAlive(Number(readFileSync(path, "utf8"))) })) rmSync(path, { force: true });
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

function tryTake(path) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Takes the lock, waiting for its holder; onWait is called once when it has to wait. Returns the function that releases it. */
export async function takeLock(path, onWait) {
  mkdirSync(dirname(path), { recursive: true });
  for (let waited = false; !tryTake(path); waited = true) {
    if (!waited) onWait?.();
    removeIfLeftOver(path);
    await sleep(POLL_MS);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimesSync(path, now, now);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  const remove = () => rmSync(path, { force: true });
  const exits = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal, index) => [signal, () => process.exit(128 + [2, 15, 1][index])]);
  process.on("exit", remove);
  for (const [signal, handler] of exits) process.on(signal, handler);
  return () => {
    clearInterval(heartbeat);
    remove();
    process.off("exit", remove);
    for (const [signal, handler] of exits) process.off(signal, handler);
  };
}
