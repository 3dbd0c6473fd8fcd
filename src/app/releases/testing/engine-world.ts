// The release engine with what it needs of a mesh, for tests.

import { silentLogger } from "../../../lib/log.ts";
import type { PersonInput, SampleSecond } from "../../../release/observation.ts";
import { wishOf } from "../../../release/status.ts";
import { binomial, randomOf } from "../../../stats/testing/random.ts";
import { apiParser } from "../../../store/api-parser.ts";
import { MemoryStore } from "../../../store/memory-store.ts";
import type { RawResource, Store } from "../../../store/store.ts";
import { ReleaseEngine } from "../release-engine.ts";
import { storedReleaseOf } from "../stored-release.ts";

const startMs = Date.UTC(2026, 10, 2, 10);

/** A store with a service of two versions, proxies that know everything at once, and seeded traffic that goes where the stored state says. */
export class EngineWorld {
  now = startMs;
  readonly store: Store;
  readonly told: string[] = [];
  readonly errors: Record<string, number> = { v1: 0.001, v2: 0.001 };
  acknowledges = true;
  /** Proxies without a stream. */
  absent: string[] = ["ended.shop"];
  hasSamples = true;
  kills = 0;
  /** Every exposure that was ever stored, in order. */
  readonly shares: number[] = [];
  #engine: ReleaseEngine;

  constructor(spec: Record<string, unknown>) {
    let uids = 0;
    this.store = new MemoryStore({
      clock: { now: () => this.now, monotonic: () => this.now },
      parser: apiParser,
      newUid: () => {
        uids += 1;
        return `uid-${uids}`;
      },
    });
    this.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    this.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "catalog", namespace: "shop" },
      spec: { selector: { app: "catalog" }, ports: [{ port: 80 }] },
    });
    this.version("v1");
    this.now += 5000;
    this.version("v2");
    this.create({
      apiVersion: "lateen.io/v1alpha1",
      kind: "Release",
      metadata: { name: "catalog", namespace: "shop" },
      spec: { service: "catalog", ...spec },
    });
    this.#engine = this.#newEngine();
  }

  create(raw: RawResource): void {
    const result = this.store.create(raw);
    if (!result.accepted) throw new Error(JSON.stringify(result.diagnostics));
  }

  version(version: string): void {
    const labels = { app: "catalog", version };
    const containers = [{ name: "app", image: "catalog" }];
    const metadata = { name: `catalog-${version}`, namespace: "shop" };
    const spec = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } };
    this.create({ apiVersion: "apps/v1", kind: "ReplicaSet", metadata, spec });
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `catalog-${version}-0`, namespace: "shop", labels },
      spec: { containers },
    };
    this.create(pod);
    this.store.updateStatus({ ...pod, status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } });
  }

  #newEngine(): ReleaseEngine {
    return new ReleaseEngine({
      store: this.store,
      ads: {
        onChange: () => () => {},
        revisionProgress: (revision) => ({
          revision,
          connected: 3,
          acknowledged: this.acknowledges ? 3 : 2,
          lagging: [],
          disconnected: this.absent,
        }),
      },
      runs: (proxyId) => proxyId !== "ended.shop",
      samples: {
        secondsOf: (_, after) => (this.hasSamples ? this.#secondsAfter(after) : []),
        record: () => {},
        refOf: () => "",
      },
      sendChecks: async (_, __, { checks }) => checks.map(({ name }) => ({ name, ok: true, detail: "200" })),
      tell: (_, { reason }) => void this.told.push(reason),
      nowMs: () => this.now,
      logger: silentLogger,
    });
  }

  #secondsAfter(after: number): readonly SampleSecond[] {
    const second = Math.floor(this.now / 1000);
    if (second <= after) return [];
    const random = randomOf(second);
    const toCandidate = binomial(random, 100, this.share / 100);
    const arm = (version: string, requests: number) => ({ requests, errors: binomial(random, requests, this.errors[version] ?? 0) });
    return [{ second, arms: { v1: arm("v1", 100 - toCandidate), v2: arm("v2", toCandidate) } }];
  }

  get release() {
    const stored = this.store.get("Release", "shop", "catalog");
    if (stored === undefined) throw new Error("no release");
    return stored;
  }

  get status(): Readonly<Record<string, unknown>> {
    return this.release.value.status ?? {};
  }

  /** What the routes would give the candidate, by the store alone. */
  get share(): number {
    return wishOf(storedReleaseOf(this.release.value).state)?.exposure.weightPercent ?? 0;
  }

  ask(type: PersonInput["type"], more: Partial<PersonInput> = {}, release = "catalog"): void {
    this.#engine.ask("shop", release, { type, actor: "ann", reason: "because", ...more });
  }

  /** As in a mesh: it hears of the store's changes. */
  start(): void {
    this.#engine.start();
  }

  /** As after kill -9: nothing but the store is left. */
  kill(): void {
    this.#engine.close();
    this.#engine = this.#newEngine();
    this.kills += 1;
  }

  /** Decides without looking at what became of it. */
  tick(): void {
    this.now += 1000;
    this.#engine.tick();
  }

  second(): void {
    this.now += 1000;
    // Decisions that follow at once within a second.
    for (let turn = 0; turn < 3; turn += 1) this.#engine.tick();
    if (this.shares.at(-1) !== this.share) this.shares.push(this.share);
  }

  until(phase: string, seconds = 600): number {
    for (let passed = 0; passed < seconds; passed += 1) {
      if (this.status["phase"] === phase) return passed;
      this.second();
    }
    throw new Error(`${phase} was never reached: ${JSON.stringify(this.status["verdict"])} ${JSON.stringify(this.status["phase"])}`);
  }
}
