// Counts and configured weights -> one row per service and version, in the order of the call chain. Pure; the CLI prints the rows.

import { noVersion } from "./answer.ts";
import type { ConfiguredShares } from "./configured-weights.ts";
import type { Counts, VersionCounts } from "./measurement.ts";

/** The services of the shop from the visitor inwards. */
export const chain: readonly string[] = ["web", "catalog", "stock", "rates", "db"];

export interface VersionRow {
  readonly service: string;
  readonly version: string;
  /** What the routes say; undefined when nothing splits the service and several versions answer, or no version is known. */
  readonly weightPercent: number | undefined;
  /** Of the service's requests whose version is known; undefined without any. */
  readonly sharePercent: number | undefined;
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly failures: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

/** Every configured or measured version; failures whose version is unknown have a row of their own when there are any. */
export function versionRows(counts: Counts, shares: ConfiguredShares): readonly VersionRow[] {
  const names = new Set([...chain, ...shares.keys(), ...counts.versions.map(({ service }) => service)]);
  return [...names].flatMap((service) => serviceRows(service, counts, shares));
}

function serviceRows(service: string, counts: Counts, shares: ConfiguredShares): readonly VersionRow[] {
  const measured = new Map(counts.versions.filter((entry) => entry.service === service).map((entry) => [entry.version, entry]));
  const configured = new Map((shares.get(service) ?? []).map(({ version, weightPercent }) => [version, weightPercent]));
  const versions = [...new Set([...configured.keys(), ...measured.keys()])].toSorted(byVersion);
  const hasVersions = versions.some((version) => version !== noVersion);
  const known = [...measured.values()].filter(({ version }) => !hasVersions || version !== noVersion);
  const sum = known.reduce((total, { requests }) => total + requests, 0);
  const isOnly = versions.filter((version) => version !== noVersion).length <= 1;
  return versions.map((version) => {
    const isUnknown = hasVersions && version === noVersion;
    const unsplit = configured.size > 0 ? 0 : isOnly ? 100 : undefined;
    return {
      ...measuredPart(service, version, { entry: measured.get(version), counts }),
      weightPercent: isUnknown ? undefined : (configured.get(version) ?? unsplit),
      sharePercent: isUnknown || sum === 0 ? undefined : ((measured.get(version)?.requests ?? 0) / sum) * 100,
    };
  });
}

function measuredPart(service: string, version: string, { entry, counts }: { entry: VersionCounts | undefined; counts: Counts }) {
  const requests = entry?.requests ?? 0;
  return {
    service,
    version,
    requests,
    requestsPerSecond: counts.seconds > 0 ? requests / counts.seconds : 0,
    failures: entry?.failures ?? 0,
    p50Ms: entry?.latency.percentile(50),
    p99Ms: entry?.latency.percentile(99),
  };
}

/** v2 before v10; what has no version last. */
function byVersion(a: string, b: string): number {
  if (a === noVersion || b === noVersion) return Number(a === noVersion) - Number(b === noVersion);
  return a.localeCompare(b, "en", { numeric: true });
}
