// What a latency histogram shows, as words: one edge that tells something of both versions.

import { type EdgeEvidence, edgeEvidence, type LatencyState } from "../stats/latency.ts";

/** Where nothing stands out, the tail is compared: the edge that about so many of stable's requests are beyond, as a p95 would be. */
const tail = 0.05;

/** The edge with the most evidence of harm; without any, the one nearest to the slowest twentieth. Undefined when none tells requests apart. */
export function tellingEdge(state: LatencyState): EdgeEvidence | undefined {
  const telling = edgeEvidence(state).filter(({ candidateShare, baselineShare }) => isBetween(candidateShare) || isBetween(baselineShare));
  const [worst] = telling.toSorted((a, b) => b.logEvidence - a.logEvidence);
  if (worst === undefined || worst.logEvidence > 0) return worst;
  return telling.toSorted((a, b) => distance(a) - distance(b))[0];
}

/** All or nothing says nothing: every request is beyond half a millisecond, and none beyond an hour. */
function isBetween(share: number): boolean {
  return share > 0 && share < 1;
}

function distance({ candidateShare, baselineShare }: EdgeEvidence): number {
  const share = isBetween(baselineShare) ? baselineShare : candidateShare;
  return Math.abs(Math.log(share / tail));
}
