// A real mesh for release benchmarks: a client, and services of two versions with a Release each, whose runs are started again and again.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { z } from "zod";
import type { PersonInput } from "../../src/release/observation.ts";
import type { PublicStatus } from "../../src/release/status.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, type LoadSummary, TestMesh } from "../harness/mesh.ts";
import type { BenchContext } from "./benchmark.ts";

const namespace = "default";
const longestRunMs = 180_000;
/** A killed control plane is back long before. */
const outageMs = 30_000;
const pollMs = 50;

export interface ReleaseMeshOptions {
  readonly services: readonly string[];
  /** Environment of release-app.mjs by version. */
  readonly versions: Readonly<Record<"v1" | "v2", Readonly<Record<string, string>>>>;
  /** Release.spec without the service. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** More YAML. */
  readonly manifests?: string;
}

/** What ReleaseRun keeps of a run. */
const runSchema = z.looseObject({
  status: z.looseObject({
    outcome: z.string().optional(),
    failedRequests: z.number(),
    steps: z.array(z.looseObject({ index: z.number(), from: z.number() })),
    decisions: z.array(z.looseObject({ time: z.number(), what: z.string(), sentence: z.string() })),
  }),
});

export type RunRecord = z.output<typeof runSchema>["status"];

export interface ReleaseMesh {
  readonly mesh: TestMesh;
  /** Steady requests to a service from the client's pod, until the returned function is called, which counts them. */
  load(service: string, ratePerSecond: number): Promise<() => Promise<LoadSummary>>;
  /** The next run of a service's Release: the first begins with v2's Deployment, the others by `retry`. Its name. */
  begin(service: string): Promise<string>;
  /** As a person asks; tried again while the control plane is away. */
  ask(service: string, type: PersonInput["type"], more?: Partial<PersonInput>): Promise<void>;
  status(service: string): Promise<PublicStatus>;
  /** Waits until a condition holds of the Release's status, which it returns. */
  until(service: string, holds: (status: PublicStatus) => boolean): Promise<PublicStatus>;
  record(run: string): Promise<RunRecord>;
}

/** Starts it with v1 of all services; ends with the benchmark. */
export async function startReleaseMesh(context: BenchContext, options: ReleaseMeshOptions): Promise<ReleaseMesh> {
  const { services, versions, spec, manifests = "" } = options;
  const release = (service: string) =>
    stringify({ apiVersion: "lateen.io/v1alpha1", kind: "Release", metadata: { name: service, namespace }, spec: { service, ...spec } });
  const first = services.map((service) => `${serverYaml(service, ["v1"])}---\n${release(service)}`);
  const image = (version: "v1" | "v2") => ({
    command: ["node", "release-app.mjs"],
    workingDir: fileURLToPath(new URL(".", import.meta.url)),
    env: { VERSION: version, ...versions[version] },
  });
  const mesh = await TestMesh.start({
    manifests: [appYaml("client", ["v1"]), ...first, manifests].filter((part) => part !== "").join("---\n"),
    lateenYaml: { images: { "bench/app:v1": image("v1"), "bench/app:v2": image("v2") } },
  });
  endsWith(context, mesh);
  context.progress("the mesh runs");
  return releaseMeshOf(mesh);
}

function serverYaml(service: string, versions: readonly string[]): string {
  return appYaml(service, versions).replaceAll("test/app:", "bench/app:");
}

/** The mesh ends with the benchmark, also when that is killed: a shell waits for the end of a pipe. */
function endsWith({ cleanup }: BenchContext, mesh: TestMesh): void {
  const command = ["-c", 'read -r _; kill -TERM "$1"', "lateen-bench-janitor", String(mesh.pid)];
  const janitor = spawn("sh", command, { detached: true, stdio: ["pipe", "ignore", "ignore"], cwd: "/" });
  janitor.unref();
  cleanup.defer(async () => {
    await mesh.close();
    janitor.kill("SIGKILL");
  });
}

function releaseMeshOf(mesh: TestMesh): ReleaseMesh {
  const begun = new Map<string, number>();
  const { releases } = mesh.client;
  const status = async (service: string) => (await patiently(() => releases.get(namespace, service))).status;
  const until: ReleaseMesh["until"] = async (service, holds) => {
    const since = performance.now();
    for (;;) {
      const now = await status(service);
      if (holds(now)) return now;
      if (performance.now() - since > longestRunMs) throw new Error(`release ${service} stays ${JSON.stringify(now)}`);
      await pause(pollMs);
    }
  };
  const ask: ReleaseMesh["ask"] = async (service, type, more = {}) => {
    await patiently(() => releases.ask(namespace, service, { type, actor: "bench", reason: "measured", ...more }));
  };
  return {
    mesh,
    status,
    until,
    ask,
    load: async (service, ratePerSecond) => {
      const [pod = ""] = await mesh.pods("client");
      const id = `${service} ${performance.now()}`;
      await mesh.runIn(pod, { kind: "load-start", id, url: `http://${service}/`, ratePerSecond });
      return async () => loadSummarySchema.parse(await mesh.runIn(pod, { kind: "load-stop", id }));
    },
    begin: async (service) => {
      const number = (begun.get(service) ?? 0) + 1;
      begun.set(service, number);
      if (number === 1) await mesh.apply(serverYaml(service, ["v2"]));
      else await ask(service, "retry");
      const run = `${service}-${number}`;
      await until(service, (now) => now.run === run && now.weightPercent > 0);
      return run;
    },
    record: async (run) => runSchema.parse(await patiently(() => mesh.client.get({ kind: "ReleaseRun", namespace, name: run }))).status,
  };
}

const loadSummarySchema = z.object({
  total: z.number(),
  byStatus: z.record(z.string(), z.number()),
  byVersion: z.record(z.string(), z.number()),
  failures: z.array(z.unknown()),
});

/** Tries again while the control plane is away. */
async function patiently<Result>(call: () => Promise<Result>): Promise<Result> {
  let last: { readonly result: Result } | undefined;
  let problem: unknown;
  await eventually(
    async () => {
      try {
        last = { result: await call() };
        return true;
      } catch (error) {
        problem = error;
        return false;
      }
    },
    outageMs,
    "an answer of the control plane",
  ).catch(() => {});
  if (last === undefined) throw problem;
  return last.result;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** When a run first said so, in milliseconds since the Unix epoch; undefined when it never did. */
export function timeOf({ decisions }: RunRecord, what: string): number | undefined {
  return decisions.find((decision) => decision.what === what)?.time;
}
