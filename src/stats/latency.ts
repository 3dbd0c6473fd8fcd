// Is the candidate slower? The harm process on "slower than this edge" for every edge of a latency histogram, averaged over the edges: exact on
// bucket counts, untouched by slowness that both arms share, and it names the edge.

import { z } from "zod";
import { type Block, emptyArm, soundArm } from "./block.ts";
import { startGoOn } from "./go-on.ts";
import { defaultFactorCap, defaultLateOnset } from "./harm.ts";
import { logMeanExp } from "./log-space.ts";
import type { Margin } from "./margin.ts";
import {
  anyRate,
  logEvidenceOfMixture,
  type Mixture,
  type MixtureSettings,
  mixtureSchema,
  mixtureSettingsSchema,
  observeMixture,
  startMixture,
} from "./mixture.ts";

export const latencyStateSchema = z
  .object({
    settings: mixtureSettingsSchema,
    edgesMs: z.array(z.number()).min(1).readonly(),
    mixtures: z.array(mixtureSchema).readonly(),
    blocks: z.number(),
    maxLogEvidence: z.number(),
  })
  .readonly();

/** The process between two blocks: one mixture per edge, in the edges' order. */
export type LatencyState = z.infer<typeof latencyStateSchema>;

/** Requests of one block per bucket: `counts[i]` took at most `edgesMs[i]` and more than the edge before; the last has what is beyond all edges. */
export interface LatencyBlock {
  readonly candidate: readonly number[];
  readonly baseline: readonly number[];
}

/** What one edge has seen. */
export interface EdgeEvidence {
  readonly edgeMs: number;
  readonly logEvidence: number;
  readonly candidateShare: number;
  readonly baselineShare: number;
}

/** Multipliers of the odds to be slower than an edge (release-engine design §4). */
export const latencyGrid: readonly number[] = [1.15, 1.3, 1.6, 2.2, 3.5, 8, 20, 60];

/**
 * Of the share beyond an edge: a fifth more (release-engine design §2), and a tenth of a percentage point as for errors, without which edges that
 * nearly nothing is beyond could never be shown to be fine.
 */
export const defaultLatencyMargin: Margin = { ratio: 1.2, plus: 0.001 };

/** The process with everything at its default but what is given. */
export function startLatency(edgesMs: readonly number[], settings: Partial<MixtureSettings> = {}): LatencyState {
  const defaults = {
    margin: defaultLatencyMargin,
    grid: latencyGrid,
    scale: "odds" as const,
    ...anyRate,
    factorCap: defaultFactorCap,
    lateOnset: defaultLateOnset,
  };
  const all = { ...defaults, ...settings };
  return { settings: all, edgesMs, mixtures: edgesMs.map(() => startMixture(all)), blocks: 0, maxLogEvidence: 0 };
}

/** The same histogram's other question, whether no edge is worse than the margin (go-on.ts); read it with `everyEdgeLogEvidence`. */
export function startLatencyGoOn(edgesMs: readonly number[], settings: Partial<Omit<MixtureSettings, "scale">> = {}): LatencyState {
  return startLatency(edgesMs, startGoOn({ margin: defaultLatencyMargin, ...anyRate, ...settings }).settings);
}

/** The state after one more block. */
export function observeLatency(state: LatencyState, block: LatencyBlock): LatencyState {
  const beyond = blocksBeyondEdges(state.edgesMs.length, block);
  const mixtures = state.mixtures.map((mixture, edge) =>
    observeMixture(state.settings, mixture, beyond[edge] ?? { candidate: emptyArm, baseline: emptyArm }),
  );
  const next = { ...state, mixtures, blocks: state.blocks + 1 };
  return { ...next, maxLogEvidence: Math.max(state.maxLogEvidence, latencyLogEvidence(next)) };
}

/** ln E: the mean over the edges. */
export function latencyLogEvidence(state: LatencyState): number {
  return logMeanExp(logEvidencePerEdge(state));
}

/** ln E for "every edge": the smallest. That all are within the margin is shown only when each is. */
export function everyEdgeLogEvidence(state: LatencyState): number {
  return Math.min(...logEvidencePerEdge(state));
}

function logEvidencePerEdge({ settings, mixtures }: LatencyState): readonly number[] {
  return mixtures.map((mixture) => logEvidenceOfMixture(settings, mixture));
}

/** All edges in their order, with measured shares (0 without requests). */
export function edgeEvidence({ settings, edgesMs, mixtures }: LatencyState): readonly EdgeEvidence[] {
  return mixtures.map((mixture, index) => ({
    edgeMs: edgesMs[index] ?? Number.NaN,
    logEvidence: logEvidenceOfMixture(settings, mixture),
    candidateShare: shareOf(mixture.candidate),
    baselineShare: shareOf(mixture.baseline),
  }));
}

/** The edge with the most evidence: what a verdict's sentence names ("share above 500 ms 0.4 % → 3 %"). */
export function guiltyEdge(state: LatencyState): EdgeEvidence | undefined {
  return edgeEvidence(state).reduce<EdgeEvidence | undefined>(
    (most, edge) => (most === undefined || edge.logEvidence > most.logEvidence ? edge : most),
    undefined,
  );
}

function shareOf({ trials, events }: Mixture["candidate"]): number {
  return trials === 0 ? 0 : events / trials;
}

/** Per edge how many requests there were, and how many took longer. */
function blocksBeyondEdges(edges: number, block: LatencyBlock): readonly Block[] {
  const candidate = beyondEdges(edges, block.candidate);
  const baseline = beyondEdges(edges, block.baseline);
  return Array.from({ length: edges }, (_, edge) => ({
    candidate: { trials: candidate[0] ?? 0, events: candidate[edge + 1] ?? 0 },
    baseline: { trials: baseline[0] ?? 0, events: baseline[edge + 1] ?? 0 },
  }));
}

/** Sums from the slow end: first all requests, then those beyond each edge. */
function beyondEdges(edges: number, counts: readonly number[]): readonly number[] {
  const sums = Array.from({ length: edges + 1 }, () => 0);
  let sum = 0;
  for (let bucket = edges; bucket >= 0; bucket -= 1) {
    sum += soundArm({ trials: counts[bucket] ?? 0, events: 0 }).trials;
    sums[bucket] = sum;
  }
  return sums;
}
