// Visitors and measurement together: sends the traffic, reads the configured weights each second, and hands out a view each second.

import { failureLine, type Hop, hopsOf, injectedBy, isFailure } from "./answer.ts";
import { type ConfiguredShares, readConfiguredShares, type ShareClient, sameShares } from "./configured-weights.ts";
import type { Counts } from "./measurement.ts";
import { Measurement } from "./measurement.ts";
import { shopHost, shopNamespace, shopPath } from "./shop.ts";
import { chain, type VersionRow, versionRows } from "./table-model.ts";
import { sendTraffic } from "./traffic.ts";

const viewEveryMs = 1000;

/** What there is to show at one moment. */
export interface TrafficView {
  readonly total: Counts;
  /** The whole run's. */
  readonly totalRows: readonly VersionRow[];
  /** The last seconds; anew since the weights changed. */
  readonly window: Counts;
  readonly windowRows: readonly VersionRow[];
  /** Requests that failed because a version failed as it was told to: "catalog v3" → how many. */
  readonly injected: ReadonlyMap<string, number>;
}

/** Failures that no version was told to cause. */
export function otherFailures({ total, injected }: Pick<TrafficView, "total" | "injected">): number {
  return total.failures - [...injected.values()].reduce((sum, count) => sum + count, 0);
}

export interface TrafficRun {
  readonly client: ShareClient;
  readonly port: number;
  readonly rate: number;
  readonly durationMs: number | undefined;
  readonly signal: AbortSignal;
  readonly onView: (view: TrafficView) => void;
  readonly onFailure: (line: string) => void;
  /** The first request was answered, however. */
  readonly onFirstAnswer: () => void;
  /** Before the first request: how to see what there is at any moment. */
  readonly onStart?: ((view: () => TrafficView) => void) | undefined;
  /** Further headers of request `index`. */
  readonly headersOf?: ((index: number) => Readonly<Record<string, string>>) | undefined;
  /** Every answer's hops. */
  readonly onHops?: ((hops: readonly Hop[], index: number) => void) | undefined;
}

/** Runs until the time is over or the signal aborts; returns the last view. */
export async function runTraffic(run: TrafficRun): Promise<TrafficView> {
  const measurement = new Measurement(performance.now());
  const weights = new WeightReader(run.client, measurement);
  await weights.read();
  const injected = new Map<string, number>();
  const view = (): TrafficView => viewOf(measurement, weights.shares, injected);
  run.onStart?.(view);
  const timer = setInterval(() => {
    void weights.read();
    run.onView(view());
  }, viewEveryMs);
  let isFirst = true;
  try {
    await sendTraffic({
      port: run.port,
      host: shopHost,
      path: shopPath,
      rate: run.rate,
      durationMs: run.durationMs,
      signal: run.signal,
      headersOf: run.headersOf,
      onAnswer: (answer, index) => {
        if (isFirst) run.onFirstAnswer();
        isFirst = false;
        const hops = hopsOf(answer);
        measurement.record(hops, isFailure(answer), performance.now());
        run.onHops?.(hops, index);
        if (!isFailure(answer)) return;
        const cause = injectedBy(answer);
        if (cause === undefined) return run.onFailure(failureLine(answer));
        const key = `${cause.service} ${cause.version}`;
        injected.set(key, (injected.get(key) ?? 0) + 1);
      },
    });
  } finally {
    clearInterval(timer);
  }
  return view();
}

function viewOf(measurement: Measurement, shares: ConfiguredShares, injected: ReadonlyMap<string, number>): TrafficView {
  const now = performance.now();
  const [total, window] = [measurement.total(now), measurement.window(now)];
  return { total, totalRows: versionRows(total, shares), window, windowRows: versionRows(window, shares), injected };
}

/** The weights as last read; a control plane that is away leaves them as they were. */
class WeightReader {
  readonly #client: ShareClient;
  readonly #measurement: Measurement;
  #shares: ConfiguredShares = new Map();
  #reading = false;

  constructor(client: ShareClient, measurement: Measurement) {
    this.#client = client;
    this.#measurement = measurement;
  }

  get shares(): ConfiguredShares {
    return this.#shares;
  }

  async read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const shares = await readConfiguredShares(this.#client, shopNamespace, chain);
      if (sameShares(shares, this.#shares)) return;
      this.#shares = shares;
      this.#measurement.restartWindow(performance.now());
    } catch {
      // Traffic goes on without the control plane, and so does its measurement.
    } finally {
      this.#reading = false;
    }
  }
}
