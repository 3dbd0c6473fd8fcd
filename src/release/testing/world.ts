// A world for tests: seeded traffic over two versions or more, proxies that acknowledge late, an executor that does each action id once, a store that
// keeps JSON only. It ticks once a second and can be killed at the three places where a real engine can be.

import { type ReleaseSpec, releaseSpecSchema } from "../../api/release/release.ts";
import { binomial, randomOf } from "../../stats/testing/random.ts";
import type { Action } from "../actions.ts";
import { decide } from "../decide.ts";
import { type Exposure, noExposure, publicPercent } from "../exposure.ts";
import { latencyEdgesMs } from "../judging.ts";
import type { ArmSecond, CheckResult, Observation, ObservedVersion, PersonInput, RolloutProgress, SampleSecond } from "../observation.ts";
import { firstState, type ReleaseState, type Run, releaseStateSchema } from "../state.ts";
import { type Phase, phaseOf } from "../status.ts";
import type { Trace } from "./traces.ts";

export interface WorldOptions {
  readonly spec?: Record<string, unknown>;
  readonly requestsPerSecond?: number;
  /** Error rates by version; 0.001 where none is given. */
  readonly errors?: Readonly<Record<string, number>>;
  /** Share of requests that take ten times as long, by version. */
  readonly slow?: Readonly<Record<string, number>>;
  /** Requests per second of people chosen by a condition or a flag, while there is one; 5 unless given. */
  readonly chosen?: number;
  readonly acknowledgeAfter?: number;
  readonly seed?: number;
  readonly check?: (name: string) => CheckResult;
  /** Stores the state as JSON and reads it again after each decision. */
  readonly stored?: boolean;
  /** Callers that no route of the mesh reaches: so many requests per second of theirs go to stable. */
  readonly unsteered?: number;
  /** Traffic of another making, in place of the rates above. */
  readonly trace?: Trace;
}

export type Crash = "beforeStore" | "afterStore" | "afterActions";

/** Monday, 2 November 2026, 10:00 UTC. */
export const monday = Date.UTC(2026, 10, 2, 10);

/** The spec of a test's release, with defaults. */
export function specOf(fields: Record<string, unknown> = {}): ReleaseSpec {
  return releaseSpecSchema.parse({ service: "reviews", ...fields });
}

/** v1 with five pods, and v2 with as many that appeared later. */
export const twoVersions: readonly ObservedVersion[] = [
  { name: "v1", since: monday - 1000, readyPods: 5 },
  { name: "v2", since: monday, readyPods: 5 },
];

export class World {
  now = monday;
  state: ReleaseState = firstState;
  spec: ReleaseSpec;
  versions: readonly ObservedVersion[] = twoVersions;
  applied: { readonly move: number; readonly exposure: Exposure; readonly at: number; readonly candidate: string } | undefined;
  /** Every action by its id, in the order in which it took effect. */
  readonly effects = new Map<string, Action>();
  /** How often each id was asked for again after it was known to be done. */
  repeats = 0;
  readonly inputs: PersonInput[] = [];
  readonly phases: Phase[] = [];
  readonly samples: SampleSecond[] = [];
  hasTraffic = true;
  hasProvider = true;
  acknowledges = true;
  rollout: RolloutProgress | undefined;
  /** Called after each decision. */
  watch: (world: World) => void = () => {};
  private readonly options: WorldOptions;
  private readonly reported = new Set<string>();
  private readonly checks = new Map<string, { readonly at: number; readonly results: readonly CheckResult[] }>();

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.spec = specOf(options.spec);
  }

  get run(): Run | undefined {
    return this.state.run;
  }

  get phase(): Phase {
    return phaseOf(this.state);
  }

  ask(type: PersonInput["type"], more: Partial<PersonInput> = {}): void {
    this.inputs.push({ seq: this.inputs.length + 1, type, actor: "ann", reason: "", ...more });
  }

  /** One second of life; a crash loses what wasn't stored or reported. */
  tick(crash?: Crash): void {
    this.now += 1000;
    if (this.hasProvider) this.samples.push(this.sample());
    const { status, actions } = decide({
      name: "reviews",
      spec: this.spec,
      status: this.state,
      observed: this.observation(),
      now: this.now,
    });
    if (crash === "beforeStore") return;
    this.state = this.options.stored === true ? releaseStateSchema.parse(JSON.parse(JSON.stringify(status))) : status;
    this.phases.push(this.phase);
    this.watch(this);
    if (crash === "afterStore") return;
    for (const action of actions) this.carryOut(action);
    if (crash === "afterActions") return;
    for (const { id } of actions) this.reported.add(id);
  }

  /** Ticks until a condition holds; false when it doesn't within so many seconds. */
  until(holds: (world: World) => boolean, seconds = 4000): boolean {
    for (let left = seconds; left > 0; left -= 1) {
      if (holds(this)) return true;
      this.tick();
    }
    return holds(this);
  }

  pass(seconds: number): void {
    for (let left = seconds; left > 0; left -= 1) this.tick();
  }

  /** What was decided, as words for programs. */
  whats(): readonly string[] {
    return this.run?.decisions.map(({ what }) => what) ?? [];
  }

  observation(): Observation {
    const { applied, options } = this;
    const isOld = applied !== undefined && this.acknowledges && this.now - applied.at >= (options.acknowledgeAfter ?? 1) * 1000;
    const known = applied === undefined ? {} : { acknowledged: { move: applied.move, acknowledged: isOld ? 14 : 12, total: 14 } };
    // Results take a second, however often the engine asks within it.
    const ready = [...this.checks].flatMap(([id, { at, results }]) => (at < this.now ? [[id, results] as const] : []));
    const base = { versions: this.versions, samples: this.samples.slice(-3), inputs: this.inputs, done: [...this.reported].slice(-200) };
    const all = { ...base, ...known, checks: Object.fromEntries(ready) };
    return this.rollout === undefined ? all : { ...all, rollout: this.rollout };
  }

  private carryOut(action: Action): void {
    if (this.reported.has(action.id)) this.repeats += 1;
    if (this.effects.has(action.id)) return;
    this.effects.set(action.id, action);
    if (action.type === "expose") {
      this.applied = { move: action.move, exposure: action.exposure, at: this.now, candidate: action.candidate };
    }
    if (action.type === "check") {
      const check = this.options.check ?? ((name: string) => ({ name, ok: true, detail: "200" }));
      this.checks.set(action.id, { at: this.now, results: action.checks.map(({ name }) => check(name)) });
    }
    if (action.type === "scale") {
      this.versions = this.versions.map((version) =>
        version.name === action.version ? { ...version, readyPods: action.replicas } : version,
      );
    }
  }

  /** Chance belongs to the second, not to the history: two worlds with one exposure see the same. */
  private sample(): SampleSecond {
    const { requestsPerSecond = 100, chosen = 5, seed = 1 } = this.options;
    const random = randomOf(seed * 1_000_003 + this.now / 1000);
    const exposure = this.applied?.exposure ?? noExposure;
    const arms: Record<string, ArmSecond> = {};
    if (this.hasTraffic) {
      const candidate = this.applied?.candidate ?? "v2";
      const stable = this.run?.stable ?? "v1";
      const share = exposure.byPods ? this.updatedShare() : publicPercent(exposure) / 100;
      const traced = this.options.trace?.({ second: (this.now - monday) / 1000, share });
      if (traced !== undefined) return { second: this.now / 1000, arms: { [stable]: traced.stable, [candidate]: traced.candidate } };
      const hasChosen = exposure.matches.length + exposure.flags.length > 0;
      const toCandidate = binomial(random, requestsPerSecond, share) + (hasChosen ? chosen : 0);
      const copies = binomial(random, requestsPerSecond, exposure.mirrorPercent / 100);
      arms[stable] = this.arm(random, stable, requestsPerSecond - (hasChosen ? 0 : toCandidate) + (this.options.unsteered ?? 0));
      arms[candidate] = this.arm(random, candidate, toCandidate + copies);
    }
    return { second: this.now / 1000, arms };
  }

  private updatedShare(): number {
    const { rollout } = this;
    if (rollout === undefined || rollout.direction === "undo") return 0;
    return rollout.updatedReady / Math.max(1, rollout.total);
  }

  private arm(random: () => number, name: string, requests: number): ArmSecond {
    const errors = binomial(random, requests, this.options.errors?.[name] ?? 0.001);
    const slow = binomial(random, requests, this.options.slow?.[name] ?? 0);
    const latency = latencyEdgesMs.map(() => 0);
    latency[4] = requests - slow;
    latency[8] = slow;
    return { requests, errors, latency: [...latency, 0], pods: errors > 0 ? [`${name}-0`, `${name}-1`] : [] };
  }
}
