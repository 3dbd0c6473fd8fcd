// Traces for simulations, not drawn from the model that judges them: pods with rates of their own, bursts, waves, requests that fail each time
// they are tried again. Seeded; one call per second.

import type { Block } from "../block.ts";
import { binomial } from "./random.ts";

export interface TraceOptions {
  /** Requests per second of both arms. */
  readonly requestsPerSecond: number;
  /** The candidate's share in second t. */
  readonly share: (second: number) => number;
  /** Both arms' error rate in second t, and how many times worse the candidate is. */
  readonly rate: (second: number) => number;
  readonly candidateTimes?: (second: number) => number;
  /** Per pod how many times the rate it has; the same list for both arms. */
  readonly pods?: readonly number[];
  /** Chance per second and arm that one pod fails half of its requests for that second. */
  readonly podBurst?: number;
  /** Chance per second that a wave begins in which both arms fail `rate` times ten, and that one ends. */
  readonly waves?: { readonly begin: number; readonly end: number };
  /** How often a request that failed is tried again, failing again. */
  readonly retries?: number;
}

export interface Trace {
  readonly block: Block;
  /** The candidate's pods with errors. */
  readonly pods: readonly string[];
}

/** A function that gives the next second at each call. */
export function traceOf(options: TraceOptions, random: () => number): () => Trace {
  const { requestsPerSecond, pods = [1], podBurst = 0, waves = { begin: 0, end: 1 }, retries = 0 } = options;
  let second = 0;
  let isWave = false;
  const arm = (requests: number, rate: number) => {
    const burst = random() < podBurst ? Math.floor(random() * pods.length) : -1;
    let trials = 0;
    const events = pods.map((times, pod) => {
      const tried = Math.floor((requests + pod) / pods.length);
      const failed = binomial(random, tried, pod === burst ? 0.5 : Math.min(0.95, rate * times));
      trials += tried + failed * retries;
      return failed * (1 + retries);
    });
    return { trials, events };
  };
  return () => {
    isWave = isWave ? random() >= waves.end : random() < waves.begin;
    const rate = options.rate(second) * (isWave ? 10 : 1);
    const toCandidate = binomial(random, requestsPerSecond, options.share(second));
    const candidate = arm(toCandidate, rate * (options.candidateTimes?.(second) ?? 1));
    const baseline = arm(requestsPerSecond - toCandidate, rate);
    second += 1;
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    return {
      block: {
        candidate: { trials: candidate.trials, events: sum(candidate.events) },
        baseline: { trials: baseline.trials, events: sum(baseline.events) },
      },
      pods: candidate.events.flatMap((events, pod) => (events > 0 ? [`pod-${pod}`] : [])),
    };
  };
}
