// A real Prometheus for tests: the machine's own, or Debian's package, unpacked into the cache without installing it, which needs no root.

import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./gateway-envoy.ts";

const run = promisify(execFile);
const downloadMs = 180_000;
const startMs = 60_000;

export interface PrometheusTools {
  readonly prometheus: string;
  readonly promtool: string;
}

let found: Promise<PrometheusTools> | undefined;

/** Where both programs are. @throws Error that says what to install where there is no Debian package to be had. */
export function prometheusTools(): Promise<PrometheusTools> {
  found ??= find();
  return found;
}

async function find(): Promise<PrometheusTools> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) if (hasBoth(folder)) return toolsIn(folder);
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "lateen");
  const unpacked = join(cache, "prometheus");
  if (!hasBoth(join(unpacked, "usr/bin"))) await download(cache, unpacked);
  return toolsIn(join(unpacked, "usr/bin"));
}

const toolsIn = (folder: string): PrometheusTools => ({ prometheus: join(folder, "prometheus"), promtool: join(folder, "promtool") });
const hasBoth = (folder: string): boolean => Object.values(toolsIn(folder)).every((file) => existsSync(file));

async function download(cache: string, target: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "prometheus-"));
  try {
    await aptDownload(work);
    const [deb] = readdirSync(work).filter((name) => name.endsWith(".deb"));
    if (deb === undefined) throw new Error("apt-get brought no package");
    await run("dpkg", ["-x", join(work, deb), join(work, "x")]);
    // Another test may have been first.
    if (!existsSync(target)) renameSync(join(work, "x"), target);
  } catch (error) {
    throw new Error(
      `this test needs a Prometheus: install one (Debian, Ubuntu: apt-get install prometheus); fetching it failed: ${String(error)}`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** By the machine's package lists; where there are none, by lists of our own. */
async function aptDownload(folder: string): Promise<void> {
  try {
    await run("apt-get", ["download", "prometheus"], { cwd: folder, timeout: downloadMs });
  } catch {
    for (const part of ["lists/partial", "archives/partial"]) mkdirSync(join(folder, part), { recursive: true });
    const own = ["-o", `Dir::State::lists=${folder}/lists`, "-o", `Dir::Cache=${folder}`, "-o", "APT::Sandbox::User="];
    await run("apt-get", [...own, "update"], { cwd: folder, timeout: downloadMs });
    await run("apt-get", [...own, "download", "prometheus"], { cwd: folder, timeout: downloadMs });
  }
}

export interface PromSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class TestPrometheus {
  readonly url: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.url = url;
    this.#stop = stop;
  }

  /** Starts one with this prometheus.yml, which should ask often. */
  static async start(config: string): Promise<TestPrometheus> {
    const { prometheus } = await prometheusTools();
    const folder = mkdtempSync(join(tmpdir(), "lt-prom-"));
    writeFileSync(join(folder, "prometheus.yml"), config);
    const port = await freePort();
    const args = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", prometheus, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk).slice(-4000);
    });
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const stop = async (): Promise<void> => {
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    };
    const url = `http://127.0.0.1:${port}`;
    const until = performance.now() + startMs;
    while (
      !(await fetch(`${url}/-/ready`)
        .then(({ ok }) => ok)
        .catch(() => false))
    ) {
      if (child.exitCode !== null || performance.now() > until) {
        await stop();
        throw new Error(`prometheus did not start; it said:\n${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return new TestPrometheus(url, stop);
  }

  /** An instant query's vector. @throws Error when Prometheus refuses the query. */
  async query(query: string): Promise<readonly PromSample[]> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query })}`);
    const answer = (await response.json()) as {
      status: string;
      error?: string;
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    if (answer.status !== "success") throw new Error(`${query}: ${answer.error}`);
    return (answer.data?.result ?? []).map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  /** The one value of a query; NaN when there is none or more than one. */
  async value(query: string): Promise<number> {
    const samples = await this.query(query);
    return samples.length === 1 ? (samples[0]?.value ?? Number.NaN) : Number.NaN;
  }

  /** Values by one label. */
  async by(label: string, query: string): Promise<Readonly<Record<string, number>>> {
    const samples = await this.query(query);
    return Object.fromEntries(samples.map(({ labels, value }) => [labels[label] ?? "", value]));
  }

  close(): Promise<void> {
    return this.#stop();
  }
}
