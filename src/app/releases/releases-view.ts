// What the API tells of releases: the engine's newest state, the plan at the traffic measured now, recorded runs judged again.

import { z } from "zod";
import type { Release } from "../../api/release/release.ts";
import { releaseSpecSchema } from "../../api/release/release.ts";
import { plannedStepSchema, stepsOf } from "../../api/release/steps.ts";
import type { PlanReply, ReleaseStepView, ReleasesView, ReleaseView, ReplayReply, ReplayRequest } from "../../http/release-contract.ts";
import { BadInput, NotFound } from "../../lib/errors.ts";
import { explain, type RecordedRun, replay } from "../../release/explain.ts";
import { exposureAt, exposureWords, publicPercent } from "../../release/exposure.ts";
import { countedSeconds, writtenMetrics } from "../../release/judging.ts";
import type { TrafficUnit } from "../../release/observation.ts";
import { type PlanTraffic, planOf, type ReleasePlan } from "../../release/plan.ts";
import { listWords } from "../../release/sentences.ts";
import type { Run } from "../../release/state.ts";
import { type PublicStatus, publicStatusOf, secondsToGo } from "../../release/status.ts";
import { unitOf } from "../../release/unit.ts";
import type { Store, Stored } from "../../store/store.ts";
import { versionsOf } from "./observed-versions.ts";
import { obstaclesOf } from "./obstacles.ts";
import type { ReleaseEngine } from "./release-engine.ts";
import type { SampleFiles } from "./sample-files.ts";
import { noRelease } from "./stored-release.ts";
import { trafficUnitOf } from "./traffic-unit.ts";

export interface ReleasesViewOptions {
  readonly store: Store;
  readonly engine: Pick<ReleaseEngine, "ask" | "stateOf">;
  readonly files: Pick<SampleFiles, "read">;
  readonly nowMs: () => number;
  /** What the service's callers saw lately. */
  readonly trafficOf: (release: Release) => PlanTraffic;
  /** "shop/legacy": who can't be steered, should they call the service. */
  readonly podsWithoutProxy: () => readonly string[];
}

/** Builds the view over the running engine. */
export function createReleasesView(options: ReleasesViewOptions): ReleasesView {
  const { store, engine, files } = options;
  const found = (namespace: string, name: string): Stored<"Release"> => {
    const stored = store.get("Release", namespace, name);
    if (stored === undefined) throw noRelease(store, namespace, name);
    return stored;
  };
  return {
    releases: () => store.list("Release").map((stored) => viewOf(stored, options)),
    release: (namespace, name) => viewOf(found(namespace, name), options),
    plan: (namespace, name) => planReply(found(namespace, name), options),
    ask: (namespace, name, input) => ({ seq: engine.ask(namespace, name, input).seq }),
    replay: (namespace, name, request) => replayReply({ namespace, name, request }, store, files),
  };
}

function viewOf(stored: Stored<"Release">, { store, engine, nowMs }: ReleasesViewOptions): ReleaseView {
  const { spec, metadata, status } = stored.value;
  const state = engine.stateOf(stored);
  const { run } = state;
  const now = nowMs();
  const rate = run === undefined ? undefined : stepRate(run);
  const eta = run === undefined ? undefined : secondsToGo(run, spec, { requestsPerSecond: rate ?? 0, now });
  const inputs = status?.["inputs"];
  const unit = run === undefined ? trafficUnitOf(stored.value, store.snapshot()) : unitOf(run.evidence);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    service: spec.service,
    status: withObstacles(publicStatusOf(state, { spec, now, generation: metadata.generation ?? 1 }), stored, { store, run }),
    ...(eta === undefined ? {} : { etaSeconds: Math.ceil(eta) }),
    ...(rate === undefined ? {} : { requestsPerSecond: rate }),
    steps: stepsView(run, run?.steps ?? stepsOf(spec), unit),
    ...(run === undefined ? {} : { startedAt: timeOf(run.startedAt) }),
    ...(run?.endedAt === undefined ? {} : { endedAt: timeOf(run.endedAt) }),
    ...(run?.outcome === undefined ? {} : { outcome: run.outcome }),
    story: run === undefined ? [] : explain(run),
    waitingInputs: Array.isArray(inputs) ? inputs.length : 0,
    answers: state.answers ?? [],
  };
}

/** What keeps a Release from doing anything stands in front: nobody should have to guess it from a silent Release. */
function withObstacles(
  status: PublicStatus,
  stored: Stored<"Release">,
  { store, run }: { readonly store: Pick<Store, "snapshot">; readonly run: Run | undefined },
): PublicStatus {
  const obstacles = [...obstaclesOf(stored.value, store.snapshot()), ...changedSteps(stored.value.spec, run)];
  return obstacles.length === 0 ? status : { ...status, findings: [...obstacles, ...(status.findings ?? [])] };
}

/** A run keeps the steps that it began with: whoever changes them in its middle should know. */
function changedSteps(spec: Release["spec"], run: Run | undefined): readonly string[] {
  if (run === undefined || run.stage === "done") return [];
  const text = (steps: Run["steps"]) => JSON.stringify(z.array(plannedStepSchema).parse(steps));
  return text(stepsOf(spec)) === text(run.steps) ? [] : ["the steps were changed since this run began; they count from the next run on"];
}

/** Requests per second since the step holds, over the seconds that were counted; undefined before there is one of them. */
function stepRate(run: Run): number | undefined {
  const seconds = countedSeconds(run);
  if (run.stage !== "running" || seconds < 1) return undefined;
  return Math.round((10 * (run.evidence.stepCandidate + run.evidence.stepStable)) / seconds) / 10;
}

function stepsView(run: Run | undefined, steps: Run["steps"], unit: TrafficUnit): readonly ReleaseStepView[] {
  const isPromoted = run !== undefined && run.step >= steps.length;
  return steps.map((step, index) => {
    const since = run?.history.findLast((entry) => entry.index === index)?.from;
    const isOver = run?.stage === "done" || run?.stage === "returning" || run?.stage === "draining";
    const isCurrent = run !== undefined && run.step === index && !isOver;
    const wasEntered = since !== undefined;
    return {
      step: index + 1,
      kind: step.kind,
      exposure: isCurrent ? presentWords(run, unit) : exposureWords(exposureAt(steps, index), unit),
      state: isCurrent ? "current" : wasEntered ? "done" : isPromoted || isOver ? "skipped" : "next",
      ...(since === undefined ? {} : { since: timeOf(since) }),
    };
  });
}

/** What the present step gives, and what it gives now where a person or a suspicion changed that. */
function presentWords({ steps, step, exposure }: Run, unit: TrafficUnit): string {
  const planned = exposureAt(steps, step);
  const now = publicPercent(exposure);
  return `${exposureWords(planned, unit)}${now === publicPercent(planned) ? "" : `, now ${now} %`}`;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function planReply(stored: Stored<"Release">, { store, engine, trafficOf, podsWithoutProxy }: ReleasesViewOptions): PlanReply {
  const { spec, metadata } = stored.value;
  const { stable, run } = engine.stateOf(stored);
  const versions = versionsOf(stored.value, store.snapshot());
  // An older version is no candidate: it never gets anything by itself.
  const since = versions.find(({ name }) => name === stable)?.since ?? 0;
  const isNewer = ({ name, since: own }: { readonly name: string; readonly since: number }) =>
    own > since || (own === since && name > (stable ?? ""));
  const newer = versions.filter((version) => version.name !== stable && (isNewer(version) || version.deployed === true));
  const newest = newer.toSorted((a, b) => b.since - a.since || (a.name < b.name ? 1 : -1))[0];
  const candidate = run !== undefined && run.stage !== "done" ? run.candidate : newest?.name;
  const snapshot = store.snapshot();
  const plan = planOf(spec, { unit: trafficUnitOf(stored.value, snapshot), ...trafficOf(stored.value) });
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    service: spec.service,
    ...(stable === undefined ? {} : { stable }),
    ...(candidate === undefined ? {} : { candidate }),
    plan: withCallers(
      { ...plan, warnings: [...obstaclesOf(stored.value, snapshot), ...plan.warnings] },
      { service: spec.service, pods: podsWithoutProxy() },
    ),
  };
}

/** Whether they will call it nobody knows before they do; then it is a finding of the run (steering.ts). */
function withCallers(plan: ReleasePlan, { service, pods }: { readonly service: string; readonly pods: readonly string[] }): ReleasePlan {
  if (pods.length === 0) return plan;
  const warning = `pods without a proxy can't be steered if they call ${service}: ${listWords(pods)}`;
  return { ...plan, warnings: [...plan.warnings, warning] };
}

const recordedSchema = z.object({
  plan: z.array(plannedStepSchema),
  startedAt: z.string(),
  steps: z.array(z.object({ index: z.number(), from: z.number(), acknowledgedAt: z.number().optional() })),
});

interface Asked {
  readonly namespace: string;
  readonly name: string;
  readonly request: ReplayRequest;
}

function replayReply({ namespace, name, request }: Asked, store: Store, files: Pick<SampleFiles, "read">): ReplayReply {
  const object = store.get("ReleaseRun", namespace, name)?.value;
  if (object === undefined)
    throw new NotFound(`there is no run ${namespace}/${name}`, { fix: "`lateen release history <release>` lists a release's runs" });
  const samples = files.read({ namespace, run: name });
  if (samples.length === 0) throw new BadInput(`no samples of run ${namespace}/${name} were kept`);
  const { plan, startedAt, steps } = recordedSchema.parse(object.status);
  const { candidate, stable, settings } = object.spec;
  const run: RecordedRun = {
    candidate,
    stable,
    steps: plan,
    startedAt: Date.parse(startedAt),
    history: steps.map(({ index, from, acknowledgedAt }) => ({ index, from, ...(acknowledgedAt === undefined ? {} : { acknowledgedAt }) })),
  };
  const { analysis } = releaseSpecSchema.pick({ analysis: true }).parse({ analysis: asWritten(settings["analysis"]) });
  return {
    run: name,
    seconds: samples.length,
    asItWas: replay(run, samples, analysis),
    replayed: replay(run, samples, changed(analysis, request)),
  };
}

/** Settings are recorded with their durations read, in milliseconds. */
function asWritten(analysis: unknown): unknown {
  return JSON.parse(JSON.stringify(analysis ?? {}), (key, value: unknown) =>
    typeof value === "number" && (key === "patience" || key === "timeout") ? `${value}ms` : value,
  );
}

type Analysis = Release["spec"]["analysis"];

/** The settings of then with other margins or another chance of a false alarm. */
function changed(analysis: Analysis, { margin, falseAlarm }: ReplayRequest): Analysis {
  const alarm = falseAlarm === undefined ? {} : { falseAlarm };
  if (margin === undefined) return { ...analysis, ...alarm };
  const { ratio, plus } = margin;
  const metrics = writtenMetrics(analysis).map((metric) => ({
    ...metric,
    margin: {
      ratio: ratio ?? metric.margin?.ratio ?? 1,
      plus: plus ?? metric.margin?.plus ?? 0,
    },
  }));
  return { ...analysis, metrics, ...alarm };
}
