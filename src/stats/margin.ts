// How much worse a candidate may be: p_c ≤ ratio·p_b + plus. And, for a pair of rates beyond that line, the point on the line which makes
// their likelihood ratio an e-value (docs/decisions/013): the root of the derivative of a concave function, so there is exactly one.

import { z } from "zod";
import type { Block, Rates } from "./block.ts";

export const marginSchema = z.object({ ratio: z.number().min(0), plus: z.number().gt(-1).lt(1) }).readonly();

/** The candidate is no worse while p_c ≤ ratio·p_b + plus; both are rates (plus 0.001 is a tenth of a percentage point). */
export type Margin = z.infer<typeof marginSchema>;

/** No worse at all. Never judge with it: at high traffic a difference nobody cares for is found. */
export const noMargin: Margin = { ratio: 1, plus: 0 };

/** The candidate's largest tolerated rate at this rate of the baseline; may be above 1. */
export function toleratedRate({ ratio, plus }: Margin, baselineRate: number): number {
  return ratio * baselineRate + plus;
}

/** Relative precision of the root. The expectation of a factor exceeds 1 by at most the block's trials times this. */
const precision = 1e-14;
/** Bisection alone needs 50 steps; Newton's from where we start, three. */
const maxSteps = 100;

/**
 * The baseline's rate q_b of the point (ratio·q_b + plus, q_b) nearest to `alternative` in the block's own Kullback-Leibler distance, whichever
 * side of the line the alternative is on. Needs rates within (0, 1) and trials in both arms.
 */
export function boundaryBaseline(block: Block, alternative: Rates, margin: Margin): number {
  const { ratio, plus } = margin;
  const candidateTrials = block.candidate.trials;
  const baselineTrials = block.baseline.trials;
  if (ratio === 0) return alternative.baseline;
  if (ratio === 1 && plus === 0) {
    return (candidateTrials * alternative.candidate + baselineTrials * alternative.baseline) / (candidateTrials + baselineTrials);
  }
  const sameCandidate = (alternative.candidate - plus) / ratio;
  let low = Math.max(Math.min(alternative.baseline, sameCandidate), 0, -plus / ratio);
  let high = Math.min(Math.max(alternative.baseline, sameCandidate), 1, (1 - plus) / ratio);
  let root = startingPoint(block, alternative, margin);
  for (let step = 0; step < maxSteps; step += 1) {
    if (!(root > low && root < high)) root = (low + high) / 2;
    const candidate = ratio * root + plus;
    const scoreOfCandidate = candidateTrials * ratio;
    const value = scoreOfCandidate * score(alternative.candidate, candidate) + baselineTrials * score(alternative.baseline, root);
    if (value > 0) low = root;
    else high = root;
    const fall =
      scoreOfCandidate * ratio * scoreFall(alternative.candidate, candidate) + baselineTrials * scoreFall(alternative.baseline, root);
    const next = root + value / fall;
    if (Math.abs(next - root) <= precision * root || high - low <= precision * root) return within(next, low, high);
    root = next;
  }
  return within(root, low, high);
}

function within(value: number, low: number, high: number): number {
  return value >= low && value <= high ? value : (low + high) / 2;
}

/** Derivative of θ·ln q + (1-θ)·ln(1-q). */
function score(theta: number, q: number): number {
  return (theta - q) / (q * (1 - q));
}

/** Minus the derivative of `score`; always positive. */
function scoreFall(theta: number, q: number): number {
  const rest = 1 - q;
  return (theta * rest * rest + (1 - theta) * q * q) / (q * q * rest * rest);
}

/** The root if all rates were small (1-q ≈ 1): a quadratic's positive solution, in the form that doesn't cancel. */
function startingPoint({ candidate, baseline }: Block, alternative: Rates, { ratio, plus }: Margin): number {
  const a = ratio * ratio * candidate.trials + ratio * baseline.trials;
  const b = candidate.trials * ratio * (alternative.candidate - plus) + baseline.trials * (alternative.baseline * ratio - plus);
  const c = baseline.trials * alternative.baseline * plus;
  const discriminant = Math.sqrt(Math.max(0, b * b + 4 * a * c));
  return b >= 0 ? (b + discriminant) / (2 * a) : (2 * c) / (discriminant - b);
}
