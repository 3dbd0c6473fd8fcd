// What a run remembers of a Deployment's own update, and of configuration that changed under it: pods, the time without any, what was told.
// Turn -> turn; nothing is decided here but what is told.

import { decided, decidedOnce, type RunTurn, runTurnOf, stepOf, type Turn, withRun } from "./turn.ts";

/** The turn with what was seen of the Deployment's update and of ConfigMaps and Secrets. */
export function watched(turn: Turn): Turn {
  const run = runTurnOf(turn);
  if (run === undefined || run.run.stage === "done") return turn;
  return watchedConfigs(watchedPods(run));
}

function watchedPods(turn: RunTurn): RunTurn {
  if (!turn.run.steps.some(({ kind }) => kind === "rollout")) return turn;
  const told = toldIndistinct(withGap(turn));
  const { rollout } = turn.observed;
  const known = told.run.rollout;
  if (rollout === undefined || stepOf(told)?.kind !== "rollout") return told;
  const { direction, updatedReady, total } = rollout;
  if (known?.direction === direction && known.updatedReady === updatedReady && known.total === total) return told;
  return withRun(told, { rollout: { direction, updatedReady, total } });
}

/** The time in which no pod of the service was ready, from the first decision that saw none to the first that saw one. */
function withGap(turn: RunTurn): RunTurn {
  const { gap } = turn.run;
  const isEmpty = turn.observed.versions.every(({ readyPods }) => readyPods === 0);
  if (isEmpty === (gap?.since !== undefined)) return turn;
  const before = gap?.ms ?? 0;
  const since = gap?.since;
  return withRun(turn, { gap: since === undefined ? { ms: before, since: turn.now } : { ms: before + turn.now - since } });
}

function toldIndistinct(turn: RunTurn): RunTurn {
  const sentence = indistinctWords(turn);
  if (sentence === undefined || stepOf(turn)?.kind !== "rollout" || turn.run.stage === "returning") return turn;
  return decidedOnce(turn, { what: "Indistinct", sentence });
}

function indistinctWords({ observed: { indistinct }, spec: { versions, analysis } }: RunTurn): string | undefined {
  const { label } = versions;
  if (indistinct === "all") {
    return `pods of the old and the new version have the same label ${label}, and no Deployment made them: callers can't tell them apart, so only readiness and limits judge; give the new ones another ${label}`;
  }
  const queries = analysis.metrics.flatMap(({ name, provider }) => (provider === undefined ? [] : [name]));
  if (indistinct === undefined || queries.length === 0) return undefined;
  return `pods of the old and the new template have the same label ${label}, by which ${queries.join(", ")} know${queries.length > 1 ? "" : "s"} them: only a limit can judge by it; give the new template another ${label}`;
}

/** What changed since the last look; the first look only remembers. */
function watchedConfigs(turn: RunTurn): RunTurn {
  const seen = turn.observed.configs;
  const { configs } = turn.run;
  if (seen === undefined) return turn;
  const names = Object.keys(seen).toSorted();
  // What a new pod uses first was not changed.
  const changed = names.filter((name) => configs !== undefined && Object.hasOwn(configs, name) && configs[name] !== seen[name]);
  const isNew = configs === undefined || changed.length > 0 || names.some((name) => !Object.hasOwn(configs, name));
  if (!isNew) return turn;
  // What is gone stays known: it may come back, changed.
  const known = withRun(turn, { configs: { ...configs, ...seen } });
  if (changed.length === 0) return known;
  const { candidate, stable } = turn.run;
  const sentence = `${changed.join(", ")} changed while ${candidate} is in flight: pods of ${candidate} and ${stable} may run with different configurations`;
  return decided(known, { what: "ConfigurationChanged", sentence });
}
