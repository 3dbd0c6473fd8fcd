// Providers of metrics that are down: neither good nor bad. The step waits, it is told once, and told again when they are back.

import type { Observation } from "./observation.ts";
import { decided, decidedOnce, type RunTurn, untold } from "./turn.ts";

/** What is wrong with providers now, as words; undefined when nothing is. */
export function providerWords({ providers = {} }: Observation): string | undefined {
  const down = Object.entries(providers).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return down.length === 0 ? undefined : down.map(([metric, problem]) => `${metric} can't be read: ${problem}`).join("; ");
}

/** Tells what changed. */
export function tellProviders(turn: RunTurn): RunTurn {
  const words = providerWords(turn.observed);
  if (words === undefined) {
    if (!turn.run.told.includes("MetricProviderDown")) return turn;
    return decided(untold(turn, "MetricProviderDown"), { what: "MetricProviderBack", sentence: "all metrics can be read again" });
  }
  return decidedOnce(turn, { what: "MetricProviderDown", sentence: `${words}, which says nothing of ${turn.run.candidate}; waiting` });
}
