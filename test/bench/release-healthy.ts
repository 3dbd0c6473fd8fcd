// Short releases of candidates that are as good as the stable version, judged by default from real Envoys' reports: how many are sent back wrongly.

import { clopperPearson, printedRate } from "../../src/stats/testing/proportion-interval.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { type ReleaseMesh, startReleaseMesh } from "./release-mesh.ts";

const counts = { full: 50, quick: 4 };
const services = ["north", "east", "south", "west"] as const;
/** Per service; together what the other benchmarks send. */
const requestsPerSecond = 50;
const falseAlarm = 0.01;

/** Short: by the clock, since the default margin would ask for minutes of this traffic. What may stop them is judged as by default. */
const steps = [10, 50].map((setWeight) => ({ setWeight, for: "4s", advance: "clock" }));
const spec = { steps, warm: "5m", drain: "100ms", analysis: { falseAlarm } };
const version = { ERROR_PERCENT: "0.5", MEDIAN_MS: "10" };

async function run(context: BenchContext): Promise<Outcome> {
  const releases = await startReleaseMesh(context, { services, versions: { v1: version, v2: version }, spec });
  const most = context.quick ? counts.quick : counts.full;
  const outcomes: string[] = [];
  let begun = 0;
  const lane = async (service: string) => {
    const stop = await releases.load(service, requestsPerSecond);
    while (begun < most) {
      begun += 1;
      const outcome = await healthyRun(releases, service);
      outcomes.push(outcome);
      context.progress(`${outcomes.length} of ${most}: ${service} ${outcome}`);
    }
    return stop();
  };
  const loads = await Promise.all(services.map(lane));
  const wrong = outcomes.filter((outcome) => outcome !== "promoted").length;
  const measured = {
    releases: outcomes.length,
    sentBackWrongly: wrong,
    rate: printedRate(wrong, outcomes.length),
    requests: loads.reduce((sum, { total }) => sum + total, 0),
    toCandidates: loads.reduce((sum, { byVersion }) => sum + (byVersion["v2"] ?? 0), 0),
  };
  return { measured, reached: { releases: outcomes.length >= target.releases, falseAlarm: clopperPearson(wrong, most).low <= falseAlarm } };
}

/** "promoted", or why it was sent back; all traffic is at v1 again afterwards. */
async function healthyRun({ begin, until, ask }: ReleaseMesh, service: string): Promise<string> {
  await begin(service);
  const { phase, verdict } = await until(service, (now) => now.phase === "Finalising" || now.phase === "RolledBack");
  if (phase === "RolledBack") return verdict;
  await ask(service, "undo");
  await until(service, (now) => now.phase === "RolledBack");
  return "promoted";
}

const target = { releases: 50, falseAlarm };

export const benchmark: Benchmark = {
  name: "release-healthy",
  summary: "50 short healthy releases through Envoy: how many are sent back wrongly",
  target,
  run,
};
