// What callers of a Release's service saw, second by second, as the release engine judges it. In: samples of tries. Out: its samples, and the traffic for plans.

import { serviceHost } from "../../api/hosts.ts";
import type { Strategy } from "../../api/release/release.ts";
import { latencyEdgesMs } from "../../release/judging.ts";
import type { ArmSecond, SampleSecond } from "../../release/observation.ts";
import type { PlanTraffic } from "../../release/plan.ts";
import type { Distribution } from "../../telemetry/point.ts";
import { type ConnectionCounts, type TryCounts, trySeconds } from "../../telemetry/samples/try-seconds.ts";
import { statRows } from "../../telemetry/stat/stat.ts";
import type { MeshTelemetry } from "./mesh-telemetry.ts";

/** The part of a Release that says whose traffic it judges. */
export interface ReleasedService {
  readonly metadata: { readonly namespace: string };
  readonly spec: {
    readonly service: string;
    readonly strategy?: Strategy | undefined;
    readonly steps?: readonly { readonly mirror?: unknown; readonly rollout?: unknown }[];
  };
}

/** Plans are made for the traffic of so long. */
const planWindowMs = 30_000;

export class ReleaseTraffic {
  readonly #telemetry: Pick<MeshTelemetry, "collector" | "nowMs">;

  constructor(telemetry: Pick<MeshTelemetry, "collector" | "nowMs">) {
    this.#telemetry = telemetry;
  }

  /** Complete seconds after `afterSecond`, oldest first; a gap has none. Where templates are versions, arms are called as `templateArm` does. */
  secondsOf(release: ReleasedService, afterSecond: number): readonly SampleSecond[] {
    const nowMs = this.#telemetry.nowMs();
    const query = { host: hostOf(release), afterSecond, nowMs, withCopies: hasMirror(release), byTemplate: isInPlace(release) };
    return trySeconds(this.#telemetry.collector.store, query).map(({ second, versions }) => ({
      second,
      arms: Object.fromEntries([...versions].map(([version, counts]) => [version, armOf(counts)])),
    }));
  }

  /** Of the last half minute: requests, or connections where there were no requests; tries are counted only while a release runs. */
  trafficOf(release: ReleasedService): PlanTraffic {
    const nowMs = this.#telemetry.nowMs();
    const host = hostOf(release);
    const query = { by: "service", reporter: "client", fromMs: nowMs - planWindowMs, toMs: nowMs, name: host, open: [] } as const;
    const row = statRows(this.#telemetry.collector.store, query).find(({ labels }) => labels["destination_service"] === host);
    if (row === undefined || row.requests === 0) return this.#connectionsOf(host) ?? { requestsPerSecond: 0, errorRate: 0 };
    return { requestsPerSecond: row.requestsPerSecond ?? 0, errorRate: row.failed / row.requests };
  }

  #connectionsOf(host: string): PlanTraffic | undefined {
    const nowMs = this.#telemetry.nowMs();
    const seconds = trySeconds(this.#telemetry.collector.store, { host, afterSecond: Math.floor((nowMs - planWindowMs) / 1000), nowMs });
    const all = seconds.flatMap(({ versions }) => [...versions.values()].flatMap(({ connections }) => connections ?? []));
    const sum = (name: keyof ConnectionCounts): number => all.reduce((before, counts) => before + counts[name], 0);
    if (sum("opened") === 0) return undefined;
    const errorRate = sum("tried") === 0 ? 0 : sum("failed") / sum("tried");
    return { unit: "connections", requestsPerSecond: sum("opened") / seconds.length, errorRate };
  }
}

/** Who gets copies is judged by copies; another release's shares are of requests only. */
function hasMirror({ spec }: ReleasedService): boolean {
  return spec.strategy === "shadow" || (spec.steps ?? []).some(({ mirror }) => mirror !== undefined);
}

/** A Deployment's own update: its templates may have the same version. As stepsOf, written steps count instead of the strategy's own. */
function isInPlace({ spec: { strategy, steps = [] } }: ReleasedService): boolean {
  return steps.length > 0 ? steps.some(({ rollout }) => rollout !== undefined) : strategy === "rolling" || strategy === "recreate";
}

function hostOf({ metadata, spec }: ReleasedService): string {
  return serviceHost(spec.service, metadata.namespace);
}

function armOf({ tries, errors, clientErrors, latency, connections }: TryCounts): ArmSecond {
  const counts = latency === undefined ? undefined : countsIn(latency);
  return {
    requests: tries,
    errors,
    clientErrors,
    ...(counts === undefined ? {} : { latency: counts }),
    ...(connections === undefined ? {} : { connections }),
  };
}

/** Undefined when the proxies' buckets aren't those that are judged. */
function countsIn({ bounds, counts }: Distribution): readonly number[] | undefined {
  const isSame = bounds.length === latencyEdgesMs.length && bounds.every((bound, index) => bound === latencyEdgesMs[index]);
  return isSame ? counts : undefined;
}
