// Visitors and measurement together: sends the traffic, reads the configured weights each second, and hands out a view each second.

import type { ApiClient } from "../../http/client-types.ts";
import { failureLine, hopsOf, isFailure } from "./answer.ts";
import { type ConfiguredShares, readConfiguredShares, sameShares } from "./configured-weights.ts";
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
}

export interface TrafficRun {
  readonly client: Pick<ApiClient, "list">;
  readonly port: number;
  readonly rate: number;
  readonly durationMs: number | undefined;
  readonly signal: AbortSignal;
  readonly onView: (view: TrafficView) => void;
  readonly onFailure: (line: string) => void;
  /** The first request was answered, however. */
  readonly onFirstAnswer: () => void;
}

/** Runs until the time is over or the signal aborts; returns the last view. */
export async function runTraffic(run: TrafficRun): Promise<TrafficView> {
  const measurement = new Measurement(performance.now());
  const weights = new WeightReader(run.client, measurement);
  await weights.read();
  const view = (): TrafficView => viewOf(measurement, weights.shares);
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
      onAnswer: (answer) => {
        if (isFirst) run.onFirstAnswer();
        isFirst = false;
        measurement.record(hopsOf(answer), isFailure(answer), performance.now());
        if (isFailure(answer)) run.onFailure(failureLine(answer));
      },
    });
  } finally {
    clearInterval(timer);
  }
  return view();
}

function viewOf(measurement: Measurement, shares: ConfiguredShares): TrafficView {
  const now = performance.now();
  const [total, window] = [measurement.total(now), measurement.window(now)];
  return { total, totalRows: versionRows(total, shares), window, windowRows: versionRows(window, shares) };
}

/** The weights as last read; a control plane that is away leaves them as they were. */
class WeightReader {
  readonly #client: Pick<ApiClient, "list">;
  readonly #measurement: Measurement;
  #shares: ConfiguredShares = new Map();
  #reading = false;

  constructor(client: Pick<ApiClient, "list">, measurement: Measurement) {
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
