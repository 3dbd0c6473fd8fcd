// Traffic for simulated runs that isn't drawn from the model that judges it: rates that drift and jump for both versions, pods of unlike quality, bursts,
// errors that come in company, retries that fail again, slow moments. A healthy candidate is like the stable version in all of it. Seeded.

import { binomial } from "../../stats/testing/random.ts";
import { latencyEdgesMs } from "../judging.ts";
import type { ArmSecond } from "../observation.ts";

export interface TraceSettings {
  /** Of both versions in second t; 0.005 unless given. */
  readonly rate?: (second: number) => number;
  /** How many requests come in second t; 100 unless given. */
  readonly requests?: (second: number) => number;
  /** Chance per second that an incident of both versions begins, ten times the errors and twice the time, and that it ends. */
  readonly incidents?: { readonly begin: number; readonly end: number };
  /** How many times the error rate each pod has, and its times; the same list for both versions. */
  readonly pods?: readonly number[];
  /** Chance per second and pod that half of its requests fail and all take ten times as long for that second. */
  readonly burst?: number;
  /** Each version's own wavering of the rate: standard deviation of its logarithm, which forgets one part in twenty per second. */
  readonly wavering?: number;
  /** A failed request is tried again so often; nine in ten fail again. */
  readonly retries?: number;
  /** How many times more errors the candidate has; 1 is healthy. */
  readonly candidateTimes?: number;
}

/** One second as the routes divide it. */
export interface TraceMoment {
  /** From 0, seconds of the run. */
  readonly second: number;
  /** Of requests, 0 to 1. */
  readonly share: number;
}

export type Trace = (moment: TraceMoment) => { readonly stable: ArmSecond; readonly candidate: ArmSecond };

const medianMs = 20;
const sigma = 0.8;
const memory = 0.95;

/** A function that gives the next second at each call. */
export function traceOf(settings: TraceSettings, random: () => number): Trace {
  const { rate = () => 0.005, requests = () => 100, incidents = { begin: 0, end: 1 }, candidateTimes = 1 } = settings;
  const arms = { stable: armOf(settings, random), candidate: armOf(settings, random) };
  let isIncident = false;
  return ({ second, share }) => {
    isIncident = isIncident ? random() >= incidents.end : random() < incidents.begin;
    const all = Math.max(0, Math.round(requests(second)));
    const toCandidate = binomial(random, all, share);
    const errors = rate(second) * (isIncident ? 10 : 1);
    const slower = isIncident ? 2 : 1;
    return {
      stable: arms.stable({ requests: all - toCandidate, errors, slower }),
      candidate: arms.candidate({ requests: toCandidate, errors: errors * candidateTimes, slower }),
    };
  };
}

interface Load {
  readonly requests: number;
  readonly errors: number;
  readonly slower: number;
}

function armOf({ pods = [1], burst = 0, wavering = 0, retries = 0 }: TraceSettings, random: () => number): (load: Load) => ArmSecond {
  let wave = 0;
  return ({ requests, errors, slower }) => {
    wave = memory * wave + Math.sqrt(1 - memory ** 2) * wavering * normal(random);
    // The mean stays what it was.
    const factor = Math.exp(wave - wavering ** 2 / 2);
    const latency = latencyEdgesMs.map(() => 0);
    latency.push(0);
    let [tries, failed] = [0, 0];
    pods.forEach((times, pod) => {
      const isBurst = random() < burst;
      const asked = Math.floor((requests + pod) / pods.length);
      let again = binomial(random, asked, isBurst ? 0.5 : Math.min(0.95, errors * times * factor));
      let tried = asked;
      failed += again;
      for (let round = 0; round < retries && again > 0; round += 1) {
        tried += again;
        again = binomial(random, again, 0.9);
        failed += again;
      }
      tries += tried;
      spread(latency, { count: tried, medianMs: medianMs * slower * Math.sqrt(times) * (isBurst ? 10 : 1), random });
    });
    return { requests: tries, errors: failed, latency };
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Log-normal times, counted per bucket. */
function spread(
  latency: number[],
  { count, medianMs: median, random }: { readonly count: number; readonly medianMs: number; readonly random: () => number },
): void {
  for (let index = 0; index < count; index += 1) {
    const ms = median * Math.exp(sigma * normal(random));
    const bucket = latencyEdgesMs.findIndex((edge) => ms <= edge);
    const place = bucket === -1 ? latencyEdgesMs.length : bucket;
    latency[place] = (latency[place] ?? 0) + 1;
  }
}
