// How all releases stand, for Prometheus: the store's objects and the engine's newest states -> figures.

import { publicPercent } from "../../release/exposure.ts";
import { judgementNow } from "../../release/judging.ts";
import { publicStatusOf } from "../../release/status.ts";
import { logThreshold } from "../../stats/harm.ts";
import type { Store } from "../../store/store.ts";
import type { ReleaseFigures } from "../telemetry/release-series.ts";
import type { ReleaseEngine } from "./release-engine.ts";

/** Read anew at each scrape. */
export function releaseFigures(store: Store, engine: Pick<ReleaseEngine, "stateOf">, now: number): readonly ReleaseFigures[] {
  return store.list("Release").map((stored): ReleaseFigures => {
    const { metadata, spec } = stored.value;
    const state = engine.stateOf(stored);
    const { run } = state;
    const shown = publicStatusOf(state, { spec, now, generation: metadata.generation ?? 1 });
    return {
      namespace: metadata.namespace,
      release: metadata.name,
      phase: shown.phase,
      weightPercent: run === undefined ? 0 : publicPercent(run.exposure),
      ...(shown.sharePercent === undefined ? {} : { sharePercent: shown.sharePercent }),
      step: shown.step,
      steps: shown.steps,
      ...(run === undefined
        ? {}
        : {
            evidence: {
              harm: judgementNow(run, spec.analysis).logEvidence,
              threshold: logThreshold(run.evidence.judge.alpha),
            },
          }),
      failedRequests: shown.failedRequests,
    };
  });
}
