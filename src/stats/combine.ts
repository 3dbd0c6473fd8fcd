// One verdict of several metrics: the weighted mean of their e-values is an e-value, however the metrics depend on each other.

import { logSumExp } from "./log-space.ts";

/** A metric's evidence for the verdict. */
export interface MetricEvidence {
  readonly name: string;
  readonly logEvidence: number;
  /** Its part of the verdict, relative to the other metrics'. */
  readonly weight: number;
}

/** What all metrics together say. */
export interface CombinedEvidence {
  readonly logEvidence: number;
  /** The metric that contributes most; undefined without metrics. */
  readonly foremost: string | undefined;
  /** Metrics proven at fault by themselves: K/α with equal weights (so the chance to name any innocent one is at most α too). */
  readonly guilty: readonly string[];
}

/** Weighted mean, and who is to blame at `alpha`. */
export function combinedEvidence(metrics: readonly MetricEvidence[], alpha: number): CombinedEvidence {
  const sum = metrics.reduce((total, { weight }) => total + weight, 0);
  const weighted = metrics.map(({ name, logEvidence, weight }) => ({ name, log: logEvidence + Math.log(weight / sum) }));
  const descending = weighted.toSorted((a, b) => b.log - a.log);
  return {
    logEvidence: metrics.length === 0 ? 0 : logSumExp(weighted.map(({ log }) => log)),
    foremost: descending[0]?.name,
    guilty: descending.flatMap(({ name, log }) => (log >= -Math.log(alpha) ? [name] : [])),
  };
}
