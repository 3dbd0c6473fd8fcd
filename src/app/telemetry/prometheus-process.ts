// A Prometheus of the user's for a mesh: is one there that reads it, and if not, one of our own from the user's binary, which ends with us.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { MeshError, Unavailable } from "../../lib/errors.ts";

const askTimeoutMs = 1000;
/** Where nothing listens that is said at once; a busy machine's Prometheus may take its time. */
const lookTimeoutMs = 10_000;
const startTimeoutMs = 20_000;
const pollMs = 100;
const keptCharacters = 2000;

/** The rules of this checkout; none in an installation without examples. */
export function shippedRules(): readonly string[] {
  const folder = shippedFolder("prometheus");
  return folder === undefined ? [] : [join(folder, "recording-rules.yml"), join(folder, "alerts.yml")];
}

/** The folder with our own dashboard; undefined in an installation without examples. */
export function shippedDashboards(): string | undefined {
  return shippedFolder("grafana");
}

/** One of the examples, found upwards from this program. */
function shippedFolder(name: string): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (folder !== dirname(folder)) {
    const found = join(folder, "examples", name);
    if (existsSync(found)) return found;
    folder = dirname(folder);
  }
  return undefined;
}

/** An executable of that name in `path` (a PATH variable). */
export function programIn(path: string, name: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}

/** What answers at a port: nothing, something else, a Prometheus, or one that scrapes `target`. */
export async function lookForPrometheus(port: number, target: string): Promise<"nothing" | "other" | "prometheus" | "ours"> {
  let response: Response;
  try {
    response = await fetch(`http://127.0.0.1:${port}/api/v1/targets?state=active`, { signal: AbortSignal.timeout(lookTimeoutMs) });
  } catch (error) {
    return error instanceof Error && error.name === "TimeoutError" ? "other" : "nothing";
  }
  const text = await response.text().catch(() => "");
  if (!text.includes('"activeTargets"')) return "other";
  return text.includes(target) ? "ours" : "prometheus";
}

export interface PrometheusStart {
  readonly binary: string;
  /** For its configuration and data; both go with it. */
  readonly folder: string;
  readonly config: string;
  readonly port: number;
}

export interface RunningPrometheus {
  readonly url: string;
  readonly configPath: string;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/** Starts it and resolves once it answers. @throws Unavailable with its last words when it doesn't. */
export async function startPrometheus({ binary, folder, config, port }: PrometheusStart): Promise<RunningPrometheus> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const configPath = join(folder, "prometheus.yml");
  writeFileSync(configPath, config, { mode: 0o600 });
  const args = [
    `--config.file=${configPath}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--log.level=warn",
  ];
  // However this process ends, its Prometheus ends with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", binary, ...args], { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-keptCharacters);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(url, ended);
  } catch (error) {
    await end(child, ended);
    throw new Unavailable(`${MeshError.from(error).message}; it said:\n${said.trim()}`, { fix: "try another --port" });
  }
  return { url, configPath, ended, stop: () => end(child, ended) };
}

async function untilReady(url: string, ended: Promise<string>): Promise<void> {
  let how: string | undefined;
  void ended.then((reason) => {
    how = reason;
  });
  const deadline = performance.now() + startTimeoutMs;
  while (performance.now() < deadline) {
    if (how !== undefined) throw new Unavailable(`prometheus ended (${how})`);
    const isReady = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(askTimeoutMs) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await pause(pollMs);
  }
  throw new Unavailable(`prometheus was not ready within ${startTimeoutMs / 1000} s`);
}

async function end(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(timer);
}
