// The shell around `decide`: once a second, and at once when something arrives, each Release is observed, decided, stored, and only then acted upon. What a
// kill at any instant loses is evidence of the last seconds; steps, moves and what people asked for are in the store before anything follows from them.

import type { Release } from "../../api/release/release.ts";
import { MeshError, NotFound } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Action } from "../../release/actions.ts";
import { decide } from "../../release/decide.ts";
import type { CheckResult, Observation, PersonInput, SampleSecond } from "../../release/observation.ts";
import type { ReleaseState, Run } from "../../release/state.ts";
import { publicStatusOf, releaseRunOf } from "../../release/status.ts";
import { isKind, type Store, type Stored, type StoreEvent } from "../../store/store.ts";
import type { AdsServer } from "../../xds/ads-server.ts";
import type { RevisionProgress } from "../../xds/revision-progress.ts";
import { createOnce, eventLifeMs, type SendChecks, scaleVersion, type Tell, tellEvent, turnRollout } from "./carry-out.ts";
import { samplesByVersion, seenOf } from "./observe-versions.ts";
import { versionsOf } from "./observed-versions.ts";
import { nextInput, type StoredRelease, statusOf, storedReleaseOf } from "./stored-release.ts";

/** Where seconds of samples come from. */
export interface ReleaseSamples {
  /** Complete seconds after `afterSecond` (Unix time), oldest first: of the service's versions as callers saw them. A gap has no entry. */
  secondsOf(release: Release, afterSecond: number, run: Run): readonly SampleSecond[];
  /** Metrics whose provider is down, each with the reason; none unless given. */
  problemsOf?(release: Release): Readonly<Record<string, string>>;
  /** What makes the run's shares other than it says; nothing unless given. */
  findingsOf?(release: Release, run: Run): Observation["findings"];
  /** Keeps what a run was judged by. */
  record(release: Release, run: Run, samples: readonly SampleSecond[]): void;
  /** Where a run's samples are kept. */
  refOf(release: Release, run: Run): string;
}

export interface ReleaseEngineOptions {
  readonly store: Store;
  readonly ads: Pick<AdsServer, "revisionProgress" | "onChange">;
  /** Whether a proxy runs, also without a stream, as all do when the control plane has just come back: it acts upon something older. */
  readonly runs: (proxyId: string) => boolean;
  readonly samples: ReleaseSamples;
  readonly sendChecks: SendChecks;
  readonly tell: Tell;
  /** Milliseconds since the Unix epoch that never jump. */
  readonly nowMs: () => number;
  readonly logger: Logger;
}

/** What the process remembers of a Release; the store has the rest. */
interface Running {
  state: ReleaseState;
  /** State without evidence, as it was written last. */
  written: string;
  writtenAt: number;
  /** The store's revision that the last move was written with. */
  moved: { readonly move: number; readonly revision: number } | undefined;
  /** Ids of actions carried out by this process. */
  readonly done: Set<string>;
  readonly underWay: Set<string>;
  readonly checks: Map<string, readonly CheckResult[]>;
  direction: "forward" | "undo";
}

/** One decision per second (release-engine design §4). */
const tickMs = 1000;
/** Evidence alone is stored this often: so much of it a kill may lose. */
const evidenceEveryMs = 5000;

export class ReleaseEngine {
  readonly #options: ReleaseEngineOptions;
  readonly #running = new Map<string, Running>();
  readonly #due = new Set<string>();
  readonly #ends: (() => void)[] = [];
  #willDecide = false;

  constructor(options: ReleaseEngineOptions) {
    this.#options = options;
  }

  /** Decides until `close`. */
  start(): void {
    const { store, ads } = this.#options;
    const timer = setInterval(() => this.tick(), tickMs);
    this.#ends.push(
      () => clearInterval(timer),
      store.subscribe((event) => this.#onEvent(event)),
      // Only releases in the middle of a move wait for proxies.
      ads.onChange(() => this.#decideSoon((running) => running.moved !== undefined && isMoving(running.state))),
    );
    this.tick();
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /** Stores what a person asked for; the decision follows at once. @throws NotFound; MeshError when it can't be stored. */
  ask(namespace: string, name: string, input: Omit<PersonInput, "seq">): PersonInput {
    const { store } = this.#options;
    const stored = store.get("Release", namespace, name);
    if (stored === undefined) throw new NotFound(`there is no release ${namespace}/${name}`);
    const before = this.#current(stored);
    const numbered: PersonInput = { ...input, seq: nextInput(before) };
    this.#write(stored, { ...before, inputs: [...before.inputs, numbered] });
    this.#decideSoon((_, uid) => uid === stored.uid);
    return numbered;
  }

  /** The newest state of a Release, which may have evidence that isn't stored yet. */
  stateOf(stored: Stored<"Release">): ReleaseState {
    return this.#current(stored).state;
  }

  #current(stored: Stored<"Release">): StoredRelease {
    const { state, inputs } = storedReleaseOf(stored.value);
    return { state: this.#running.get(stored.uid)?.state ?? state, inputs };
  }

  #onEvent({ type, stored, previous }: StoreEvent): void {
    if (stored.kind === "Release") {
      if (type === "DELETED") this.#running.delete(stored.uid);
      // Its own writes are no news.
      else if (previous === undefined || previous.raw.metadata.generation !== stored.raw.metadata.generation) this.#dueSoon(stored.uid);
      return;
    }
    if (stored.kind !== "Pod" && stored.kind !== "ReplicaSet" && stored.kind !== "Deployment") return;
    this.#decideSoon((_, uid) => this.#options.store.byUid(uid)?.namespace === stored.namespace);
  }

  #decideSoon(concerns: (running: Running, uid: string) => boolean): void {
    for (const [uid, running] of this.#running) if (concerns(running, uid)) this.#dueSoon(uid);
  }

  #dueSoon(uid: string): void {
    this.#due.add(uid);
    if (this.#willDecide) return;
    this.#willDecide = true;
    setImmediate(() => {
      this.#willDecide = false;
      const due = [...this.#due];
      this.#due.clear();
      for (const one of due) {
        const stored = this.#options.store.byUid(one);
        if (stored !== undefined && isKind(stored, "Release")) this.#decideOne(stored);
      }
    });
  }

  /** Decides all releases now. */
  tick(): void {
    for (const stored of this.#options.store.list("Release")) this.#decideOne(stored);
    this.#forgetOldEvents();
  }

  /** One release's failure never stops the others. */
  #decideOne(stored: Stored<"Release">): void {
    try {
      this.#decide(stored);
    } catch (error) {
      const { message } = MeshError.from(error);
      this.#options.logger.error(`release ${stored.namespace}/${stored.name} can't be decided`, { error: message });
    }
  }

  #decide(stored: Stored<"Release">): void {
    const { nowMs, samples } = this.#options;
    const release = stored.value;
    if (release.metadata.deletionTimestamp !== undefined) return;
    const running = this.#runningOf(stored);
    const now = nowMs();
    const observed = this.#observe(stored, running);
    const { status: state, actions } = decide({ name: stored.name, spec: release.spec, status: running.state, observed, now });
    if (state.run !== undefined) samples.record(release, state.run, observed.samples);
    const content = withoutEvidence(state);
    const isNews = content !== running.written;
    if (isNews || now - running.writtenAt >= evidenceEveryMs) {
      const revision = this.#write(stored, { state, inputs: storedReleaseOf(release).inputs });
      if (state.run !== undefined && state.run.move !== running.moved?.move) running.moved = { move: state.run.move, revision };
      if (isNews && state.run !== undefined) this.#writeRun(release, state.run);
      running.written = content;
      running.writtenAt = now;
    }
    running.state = state;
    for (const action of actions) this.#carryOut(release, running, action);
    for (const id of running.done) if (!actions.some((action) => action.id === id)) running.done.delete(id);
    // What was carried out may be all that the next decision waits for.
    if (actions.some(({ id }) => running.done.has(id))) this.#dueSoon(stored.uid);
  }

  #runningOf(stored: Stored<"Release">): Running {
    const before = this.#running.get(stored.uid);
    if (before !== undefined) return before;
    const { state } = storedReleaseOf(stored.value);
    const { run } = state;
    const running: Running = {
      state,
      written: withoutEvidence(state),
      writtenAt: this.#options.nowMs(),
      // After a restart everything stored so far counts as the move's.
      moved: run === undefined ? undefined : { move: run.move, revision: this.#options.store.revision },
      done: new Set(),
      underWay: new Set(),
      checks: new Map(),
      direction: run?.stage === "returning" ? "undo" : "forward",
    };
    this.#running.set(stored.uid, running);
    return running;
  }

  #observe(stored: Stored<"Release">, running: Running): Observation {
    const { ads, samples, store } = this.#options;
    const { inputs } = storedReleaseOf(stored.value);
    const { run } = running.state;
    const snapshot = store.snapshot();
    const release = stored.value;
    const versions = versionsOf(release, snapshot);
    const { moved } = running;
    const progress = moved === undefined ? undefined : ads.revisionProgress(moved.revision);
    const seconds = run === undefined || run.stage === "done" ? [] : samples.secondsOf(release, run.evidence.lastSecond, run);
    return {
      ...seenOf({ release, versions, run, direction: running.direction, snapshot }),
      samples: samplesByVersion(seconds, { release, versions, run }),
      providers: samples.problemsOf?.(release) ?? {},
      findings: run === undefined || run.stage === "done" ? [] : (samples.findingsOf?.(release, run) ?? []),
      ...(moved === undefined || progress === undefined
        ? {}
        : { acknowledged: { move: moved.move, acknowledged: progress.acknowledged, total: this.#affected(progress) } }),
      inputs,
      done: [...running.done],
      checks: Object.fromEntries(running.checks),
    };
  }

  #affected({ connected, disconnected }: RevisionProgress): number {
    return connected + disconnected.filter((proxyId) => this.#options.runs(proxyId)).length;
  }

  /** The revision that has it. */
  #write(stored: Stored<"Release">, next: StoredRelease): number {
    const { store, nowMs } = this.#options;
    const generation = stored.value.metadata.generation ?? 1;
    const shown = publicStatusOf(next.state, { spec: stored.value.spec, now: nowMs(), generation });
    const result = store.updateStatus({ ...stored.raw, status: statusOf(shown, next) });
    if (!result.accepted) throw new MeshError("internal", result.diagnostics[0]?.message ?? "the status was refused");
    return store.revision;
  }

  #writeRun(release: Release, run: Run): void {
    const { store, samples } = this.#options;
    const { name, namespace, uid } = release.metadata;
    const object = releaseRunOf(run, { release: name, namespace, samplesRef: samples.refOf(release, run) });
    const owner = { apiVersion: release.apiVersion, kind: "Release", name, uid: uid ?? "", controller: true };
    createOnce(store, { ...object, metadata: { ...object.metadata, ownerReferences: [owner] } });
    const stored = store.get("ReleaseRun", namespace, run.id);
    if (stored !== undefined) store.updateStatus({ ...stored.raw, status: object.status });
  }

  #carryOut(release: Release, running: Running, action: Action): void {
    const { store, sendChecks } = this.#options;
    if (running.done.has(action.id) || running.underWay.has(action.id)) return;
    switch (action.type) {
      case "event":
        tellEvent(release, action, this.#options);
        break;
      case "expose":
        // The stored state is the wish: the routes were made of it when it was written.
        break;
      case "scale":
        scaleVersion(release, action, store);
        break;
      case "rollout":
        running.direction = action.direction;
        if (
          running.state.run !== undefined &&
          turnRollout(release, { ...running.state.run, direction: action.direction }, store) === "later"
        )
          return;
        break;
      case "check":
        running.underWay.add(action.id);
        void sendChecks(release, running.state.run?.candidate ?? "", action).then((results) => {
          running.checks.clear();
          running.checks.set(action.id, results);
          running.underWay.delete(action.id);
          running.done.add(action.id);
          if (release.metadata.uid !== undefined) this.#dueSoon(release.metadata.uid);
        });
        return;
    }
    running.done.add(action.id);
  }

  #forgetOldEvents(): void {
    const { store, nowMs } = this.#options;
    const oldest = new Date(nowMs() - eventLifeMs).toISOString();
    for (const { value, name, namespace, kind } of store.list("Event")) {
      if ((value.lastTimestamp ?? oldest) < oldest) store.delete({ kind, namespace, name });
    }
  }
}

function isMoving({ run }: ReleaseState): boolean {
  return run?.stage === "moving" || run?.stage === "promoting" || run?.stage === "returning";
}

/** What a kill must not lose, as text. */
function withoutEvidence({ run, decidedAt: _decidedAt, ...state }: ReleaseState): string {
  if (run === undefined) return JSON.stringify(state);
  const { evidence, ...rest } = run;
  // The kinds of evidence, not their numbers: a new step's judge is news.
  return JSON.stringify({ ...state, run: rest, comparisons: evidence.comparisons.length });
}
