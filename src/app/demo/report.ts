// The run's counts and times -> the object that `lateen demo --output json` prints. Pure.

import type { Counts } from "./measurement.ts";
import type { VersionRow } from "./table-model.ts";

export interface DemoReport {
  /** How long traffic was sent. */
  readonly seconds: number;
  /** Sent to the gateway. */
  readonly requests: number;
  readonly failures: number;
  readonly services: readonly ServiceReport[];
  /** From the command's start to the first request answered. */
  readonly startSeconds: number | null;
  /** From the creation of the first pod to the last one serving through its proxy. */
  readonly meshedSeconds: number | null;
}

export interface ServiceReport {
  readonly service: string;
  readonly versions: readonly VersionReport[];
}

export interface VersionReport {
  /** "-" when the service does not tell its version. */
  readonly version: string;
  /** Null when no route splits the service between several versions. */
  readonly weightPercent: number | null;
  readonly sharePercent: number | null;
  readonly requests: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface StartTimes {
  readonly startSeconds: number | undefined;
  readonly meshedSeconds: number | undefined;
}

/** The report of a whole run. */
export function reportOf(counts: Counts, rows: readonly VersionRow[], times: StartTimes): DemoReport {
  const services = [...new Set(rows.map(({ service }) => service))];
  return {
    seconds: rounded(counts.seconds, 1) ?? 0,
    requests: counts.requests,
    failures: counts.failures,
    services: services.map((service) => ({ service, versions: rows.filter((row) => row.service === service).map(versionReport) })),
    startSeconds: rounded(times.startSeconds, 2),
    meshedSeconds: rounded(times.meshedSeconds, 2),
  };
}

function versionReport({ version, weightPercent, sharePercent, requests, p50Ms, p99Ms }: VersionRow): VersionReport {
  return {
    version,
    weightPercent: rounded(weightPercent, 2),
    sharePercent: rounded(sharePercent, 1),
    requests,
    p50Ms: rounded(p50Ms, 1),
    p99Ms: rounded(p99Ms, 1),
  };
}

function rounded(value: number | undefined, digits: number): number | null {
  return value === undefined ? null : Number(value.toFixed(digits));
}
