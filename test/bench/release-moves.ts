// Releases promoted, aborted, taken back and moved by hand under 200 requests/s to applications that never fail, while the control plane is killed in the
// middle of steps: every failed request was caused by a move.

import type { LoadSummary } from "../harness/mesh.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { roleProcess } from "./machine.ts";
import { summaryOf } from "./numbers.ts";
import { pause, type ReleaseMesh, type RunRecord, startReleaseMesh, timeOf } from "./release-mesh.ts";

const counts = { full: 25, quick: 3 };
/** Two services with a release each at a time; together they get 200 requests/s. */
const services = ["north", "south"] as const;
const requestsPerSecond = 100;
/** Of the first service: every so many releases the control plane is killed within a step. */
const killEvery = 3;

const step = { for: "300ms", advance: "clock" };
const spec = { steps: [10, 50, 90].map((setWeight) => ({ setWeight, ...step })), warm: "5m", drain: "100ms" };
/** No retries: each lost request is seen. */
const manifests = `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "defaultHttpRetryPolicy: {attempts: 0}"}
`;

type Way = (releases: ReleaseMesh, service: string) => Promise<void>;

const takenBack: Way = async ({ ask, until }, service) => {
  await until(service, ({ phase }) => phase === "Finalising");
  await ask(service, "undo");
};

/** Every way ends with all traffic at v1, so that the next release has something to do. */
const ways: Readonly<Record<string, Way>> = {
  promoted: takenBack,
  aborted: async ({ ask }, service) => ask(service, "abort"),
  promotedAtOnce: async (releases, service) => {
    await releases.ask(service, "promote", { full: true });
    await takenBack(releases, service);
  },
  movedByHand: async (releases, service) => {
    await releases.ask(service, "pause");
    await releases.ask(service, "set-weight", { percent: 70 });
    await releases.ask(service, "resume");
    await takenBack(releases, service);
  },
};

async function run(context: BenchContext): Promise<Outcome> {
  const releases = await startReleaseMesh(context, { services, versions: { v1: {}, v2: {} }, spec, manifests });
  const count = context.quick ? counts.quick : counts.full;
  let kills = 0;
  const killed = async () => {
    process.kill(roleProcess(releases.mesh.pid, "control-plane").pid, "SIGKILL");
    kills += 1;
  };
  const done: Record<string, number> = {};
  const back: number[] = [];
  const lane = async (service: string, isKiller: boolean): Promise<LoadSummary> => {
    const stop = await releases.load(service, requestsPerSecond);
    for (let index = 0; index < count; index += 1) {
      const names = Object.keys(ways);
      const name = names[index % names.length] ?? "promoted";
      const run = await releases.begin(service);
      if (isKiller && index % killEvery === 1) await killed();
      await ways[name]?.(releases, service);
      await releases.until(service, ({ phase }) => phase === "RolledBack");
      done[name] = (done[name] ?? 0) + 1;
      back.push(...backMs(await releases.record(run)));
      context.progress(`${service}, release ${index + 1}: ${name}`);
    }
    await pause(500);
    return stop();
  };
  const loads = await Promise.all(services.map((service, index) => lane(service, index === 0)));
  const sum = (pick: (load: LoadSummary) => number) => loads.reduce((total, load) => total + pick(load), 0);
  const requests = sum(({ total }) => total);
  const failed = requests - sum(({ byStatus }) => byStatus["200"] ?? 0);
  const toCandidates = sum(({ byVersion }) => byVersion["v2"] ?? 0);
  const made = Object.values(done).reduce((total, number) => total + number, 0);
  const measured = {
    releases: made,
    byWay: done,
    kills,
    /** From the decision that a person asked for until every proxy had acknowledged it. */
    undoneMs: summaryOf(back, 0),
    requests,
    toCandidates,
    failed,
    failures: loads.flatMap(({ failures }) => failures),
  };
  const reached = {
    releases: made >= target.releases,
    noFailure: failed === 0 && toCandidates > 0,
    undoneMs: measured.undoneMs.median <= target.undoneMs,
  };
  return { measured, reached };
}

function backMs(record: RunRecord): readonly number[] {
  const asked = timeOf(record, "UndoAsked") ?? timeOf(record, "AbortAsked");
  const back = timeOf(record, "TrafficBack");
  return asked === undefined || back === undefined ? [] : [back - asked];
}

const target = { releases: 50, undoneMs: 1000 };

export const benchmark: Benchmark = {
  name: "release-moves",
  summary: "50 releases promoted, aborted, undone at 200 requests/s, with kill -9 of the control plane: failed requests",
  target,
  run,
};
