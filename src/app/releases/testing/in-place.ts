// A Release of a Deployment that is updated in place, with the real controllers: what tests do to it, and what is to be seen.

import { expect } from "vitest";
import { silentLogger } from "../../../lib/log.ts";
import { deploymentRaw, serviceRaw, startWorld } from "../../../platform/controllers/testing/world.ts";
import type { SampleSecond } from "../../../release/observation.ts";
import type { RawResource, Stored } from "../../../store/store.ts";
import { ReleaseEngine } from "../release-engine.ts";

const labels = (version: string) => ({ app: "catalog", version });

/** A catalog of three pods with this template. */
export function catalog(image: string, version: string, more: Record<string, unknown> = {}): RawResource {
  const template = {
    metadata: { labels: labels(version) },
    spec: { containers: [{ name: "app", image, envFrom: [{ configMapRef: { name: "settings" } }] }] },
  };
  return deploymentRaw("catalog", image, { replicas: 3, template, ...more });
}

/** What its pods read. */
export const settings = (color: string): RawResource => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "settings", namespace: "default" },
  data: { color },
});

/** The store, the controllers and the engine, second by second. */
export class InPlace {
  readonly made = startWorld();
  arms: SampleSecond["arms"] = {};
  readonly #engine: ReleaseEngine;
  readonly #seconds: SampleSecond[] = [];

  constructor(spec: Record<string, unknown>) {
    const { store, timers } = this.made;
    this.#engine = new ReleaseEngine({
      store,
      ads: {
        onChange: () => () => {},
        revisionProgress: (revision) => ({ revision, connected: 2, acknowledged: 2, lagging: [], disconnected: [] }),
      },
      runs: () => false,
      samples: {
        secondsOf: (_, after) => this.#seconds.filter(({ second }) => second > after),
        record: () => {},
        refOf: () => "",
      },
      sendChecks: async () => [],
      tell: () => {},
      nowMs: () => timers.now(),
      logger: silentLogger,
    });
    this.create(settings("red"));
    this.create(serviceRaw("catalog"));
    this.create({
      apiVersion: "lateen.io/v1alpha1",
      kind: "Release",
      metadata: { name: "catalog", namespace: "default" },
      spec: { service: "catalog", warm: "10s", ...spec },
    });
  }

  create(raw: RawResource): void {
    const result = this.made.store.create(raw);
    if (!result.accepted) throw new Error(JSON.stringify(result.diagnostics));
  }

  async update(raw: RawResource): Promise<void> {
    this.made.store.update(raw);
    await this.made.controllers.idle();
  }

  ask(type: "abort" | "undo" | "retry"): void {
    this.#engine.ask("default", "catalog", { type, actor: "ann", reason: "" });
  }

  decide(): void {
    for (let turn = 0; turn < 3; turn += 1) this.#engine.tick();
  }

  async second(ready = true): Promise<void> {
    this.made.timers.advance(1000);
    this.#seconds.push({ second: Math.floor(this.made.timers.now() / 1000), arms: this.arms });
    if (ready) await this.made.settle();
    else await this.made.controllers.idle();
    this.decide();
    await this.made.controllers.idle();
  }

  async until(phase: string, ready = true): Promise<void> {
    for (let passed = 0; passed < 60; passed += 1) {
      if (this.status["phase"] === phase) return;
      await this.second(ready);
    }
    throw new Error(`${phase} was never reached: ${JSON.stringify({ ...this.status, engine: undefined })}`);
  }

  get status(): Readonly<Record<string, unknown>> {
    return this.made.store.get("Release", "default", "catalog")?.value.status ?? {};
  }

  get image(): string | undefined {
    return this.made.store.get("Deployment", "default", "catalog")?.value.spec.template.spec.containers[0]?.image;
  }

  /** Of the pods with this image. */
  hashes(image: string): readonly string[] {
    return [...new Set(this.made.pods(image).map(({ raw }) => String(raw.metadata.labels?.["pod-template-hash"])))];
  }

  get told(): readonly string[] {
    return this.made.store
      .list("Event")
      .flatMap(({ value }) => (value.involvedObject.kind === "Release" ? [`${value.reason}: ${value.message}`] : []));
  }

  /** What the node says of a container that ends again and again. */
  crash(pod: Stored<"Pod">): void {
    const status = {
      phase: "Running",
      conditions: [],
      containerStatuses: [
        { name: "app", restartCount: 3, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: { exitCode: 9 } } },
      ],
    };
    this.made.store.updateStatus({ ...pod.raw, metadata: { ...pod.raw.metadata, resourceVersion: "" }, status });
  }

  async started(version = "v1"): Promise<void> {
    this.create(catalog("one", version));
    await this.made.settle();
    await this.second();
    expect(this.status).toMatchObject({ phase: "Idle", stable: version });
  }
}
