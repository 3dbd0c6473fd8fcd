// For the controllers' tests: a store, time moved by hand, and a node that makes pods ready and ends them in an order of the test's choice.

import { onTestFinished } from "vitest";
import { silentLogger } from "../../../lib/log.ts";
import { apiParser } from "../../../store/api-parser.ts";
import { timestamp } from "../../../store/lifecycle.ts";
import { MemoryStore } from "../../../store/memory-store.ts";
import type { RawResource, Stored } from "../../../store/store.ts";
import type { ControllerOptions, Controllers, Timers } from "../options.ts";
import { startControllers } from "../start.ts";

export class ManualTimers implements Timers {
  #now = Date.UTC(2030, 0, 1);
  #waiting: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + delayMs, run };
    this.#waiting.push(timer);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== timer);
    };
  }

  /** Moves time and runs what is due. */
  advance(ms: number): void {
    this.#now += ms;
    const due = this.#waiting.filter(({ at }) => at <= this.#now);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
  }
}

export interface World {
  readonly store: MemoryStore;
  readonly timers: ManualTimers;
  readonly controllers: Controllers;
  /** Active pods of a Deployment's template image, or all. */
  pods(image?: string): readonly Stored<"Pod">[];
  setReady(pod: Stored<"Pod">, ready?: boolean): void;
  /** What a node does with a pod that is to end. */
  finish(pod: Stored<"Pod">): void;
  /** Lets everything happen: pods get ready, ending ones go, until nothing changes. */
  settle(): Promise<void>;
}

/** Starts it; it ends with the test. */
export function startWorld(options: Partial<ControllerOptions> & { historySize?: number } = {}): World {
  const timers = new ManualTimers();
  let counter = 0;
  const next = (): number => ++counter;
  const newUid = (): string => `00000000-0000-4000-8000-${String(next()).padStart(12, "0")}`;
  const store =
    options.store instanceof MemoryStore
      ? options.store
      : new MemoryStore({ clock: { now: () => timers.now(), monotonic: () => timers.now() }, parser: apiParser, newUid });
  const nameSuffix = (length: number): string => next().toString(36).padStart(length, "0");
  const acknowledged = (): Promise<void> => Promise.resolve();
  const controllers = startControllers({ timers, log: silentLogger, nameSuffix, acknowledged, ingressGateway: false, ...options, store });
  onTestFinished(() => controllers.close());
  const setReady = (pod: Stored<"Pod">, ready = true): void => {
    const number = Number.parseInt(pod.name.slice(-5), 36);
    const condition = { type: "Ready", status: ready ? "True" : "False", lastTransitionTime: timestamp(timers.now()) };
    const podIP = `198.18.${number >> 8}.${number & 255}`;
    store.updateStatus({
      ...pod.raw,
      metadata: { ...pod.raw.metadata, resourceVersion: "" },
      status: { phase: "Running", podIP, conditions: [condition] },
    });
  };
  const finish = (pod: Stored<"Pod">): void => {
    store.delete({ kind: "Pod", namespace: pod.namespace, name: pod.name }, { gracePeriodSeconds: 0 });
  };
  const pods = (image?: string): readonly Stored<"Pod">[] =>
    store
      .list("Pod")
      .filter(
        ({ value }) => value.metadata.deletionTimestamp === undefined && (image === undefined || value.spec.containers[0]?.image === image),
      );
  const settle = async (): Promise<void> => {
    for (let before = -1; before !== store.revision; ) {
      before = store.revision;
      await controllers.idle();
      for (const pod of store.list("Pod")) {
        if (pod.value.metadata.deletionTimestamp !== undefined) finish(pod);
        else if (pod.value.status?.conditions[0] === undefined) setReady(pod);
      }
      await controllers.idle();
    }
  };
  return { store, timers, controllers, pods, setReady, finish, settle };
}

export function deploymentRaw(
  name: string,
  image: string,
  spec: Record<string, unknown> = {},
  podSpec: Record<string, unknown> = {},
): RawResource {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "app", image }], ...podSpec } },
      ...spec,
    },
  };
}

export function serviceRaw(name: string, spec: Record<string, unknown> = {}): RawResource {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }], ...spec },
  };
}
