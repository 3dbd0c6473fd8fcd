// The shell around `decide`: once a second, and at once when something arrives, each Release is observed, decided, stored, and only then acted upon. What a
// kill at any instant loses is evidence of the last seconds; steps, moves and what people asked for are in the store before anything follows from them.

import type { Release } from "../../api/release/release.ts";
import { rulingRelease } from "../../api/release/ruling.ts";
import { MeshError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Action } from "../../release/actions.ts";
import { decide } from "../../release/decide.ts";
import type { PersonInput } from "../../release/observation.ts";
import type { ReleaseState } from "../../release/state.ts";
import { isKind, type Stored, type StoreEvent } from "../../store/store.ts";
import type { AdsServer } from "../../xds/ads-server.ts";
import { forgetOldEvents, type SendChecks, scaleVersion, type Tell, tellEvent, turnRollout } from "./carry-out.ts";
import { deletionWords } from "./deleted-release.ts";
import { observationOf, type Sources } from "./observe-release.ts";
import { isMoving, type Running, runningFrom, withoutEvidence } from "./running-release.ts";
import { nextInput, noRelease, type StoredRelease, storedReleaseOf } from "./stored-release.ts";
import { writeRun, writeState } from "./write-release.ts";

export interface ReleaseEngineOptions extends Sources {
  readonly ads: Pick<AdsServer, "revisionProgress" | "onChange">;
  readonly sendChecks: SendChecks;
  readonly tell: Tell;
  /** Milliseconds since the Unix epoch that never jump. */
  readonly nowMs: () => number;
  readonly logger: Logger;
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
    if (stored === undefined) throw noRelease(store, namespace, name);
    const ruling = this.#rulingOf(stored);
    if (ruling !== stored.value) {
      const { name: other } = ruling.metadata;
      throw new MeshError(
        "already_exists",
        `service ${namespace}/${stored.value.spec.service} is release ${other}'s; release ${name} decides nothing`,
        {
          fix: `ask ${other}, or delete one of the two`,
        },
      );
    }
    const before = this.#current(stored);
    const numbered: PersonInput = { ...input, seq: nextInput(before) };
    writeState(stored, { ...before, inputs: [...before.inputs, numbered] }, this.#options);
    this.#decideSoon((_, uid) => uid === stored.uid);
    return numbered;
  }

  /** The newest state of a Release, which may have evidence that isn't stored yet. */
  stateOf(stored: Stored<"Release">): ReleaseState {
    return this.#current(stored).state;
  }

  /** The Release that decides for this one's Service; another one only where there are several. */
  #rulingOf({ value, namespace }: Stored<"Release">): Release {
    return rulingRelease(value, this.#options.store.snapshot().list("Release", namespace));
  }

  #current(stored: Stored<"Release">): StoredRelease {
    const { state, inputs } = storedReleaseOf(stored.value);
    return { state: this.#running.get(stored.uid)?.state ?? state, inputs };
  }

  #onEvent({ type, stored, previous }: StoreEvent): void {
    if (stored.kind === "Release") {
      if (type === "DELETED") this.#tellDeletion(stored);
      // Its own writes are no news.
      else if (previous === undefined || previous.raw.metadata.generation !== stored.raw.metadata.generation) this.#dueSoon(stored.uid);
      return;
    }
    if (stored.kind !== "Pod" && stored.kind !== "ReplicaSet" && stored.kind !== "Deployment") return;
    this.#decideSoon((_, uid) => this.#options.store.byUid(uid)?.namespace === stored.namespace);
  }

  /** Told once the store has done with it. */
  #tellDeletion(stored: StoreEvent["stored"]): void {
    if (!isKind(stored, "Release")) return;
    const { state } = this.#current(stored);
    this.#running.delete(stored.uid);
    setImmediate(() => {
      try {
        const message = deletionWords(stored.value, state, this.#options.store.snapshot());
        const id = `${stored.uid}/deleted`;
        if (message !== undefined) tellEvent(stored.value, { type: "event", id, reason: "ReleaseDeleted", message }, this.#options);
      } catch (error) {
        const { message } = MeshError.from(error);
        this.#options.logger.warn(`the end of release ${stored.namespace}/${stored.name} can't be told`, { error: message });
      }
    });
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
    forgetOldEvents(this.#options);
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
    if (release.metadata.deletionTimestamp !== undefined || this.#rulingOf(stored) !== release) return;
    const running = this.#runningOf(stored);
    const now = nowMs();
    const observed = observationOf(release, running, this.#options);
    const { status: state, actions } = decide({ name: stored.name, spec: release.spec, status: running.state, observed, now });
    if (state.run !== undefined) samples.record(release, state.run, observed.samples);
    const content = withoutEvidence(state);
    const isNews = content !== running.written;
    if (isNews || now - running.writtenAt >= evidenceEveryMs) {
      const revision = writeState(stored, { state, inputs: storedReleaseOf(release).inputs }, this.#options);
      if (state.run !== undefined && state.run.move !== running.moved?.move) running.moved = { move: state.run.move, revision };
      if (isNews && state.run !== undefined) writeRun(release, state.run, this.#options);
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
    const { nowMs, store } = this.#options;
    const running = runningFrom(storedReleaseOf(stored.value).state, { now: nowMs(), revision: store.revision });
    this.#running.set(stored.uid, running);
    return running;
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
}
