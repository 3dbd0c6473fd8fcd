// The ReplicaSet controller: makes and deletes pods as replica-set-decision.ts says; holds back when pods keep failing.

import { acceptedOf, isKind, type RawResource, type Store, type Stored } from "../../store/store.ts";
import { type Controller, keyOf, partsOf } from "./controller.ts";
import { controllerOf, controllerReference, objectAt, writeStatus } from "./objects.ts";
import type { ControllerOptions } from "./options.ts";
import { decideReplicaSet } from "./replica-set-decision.ts";

/** A first failed pod is replaced at once, the next ones after 1 s, 2 s, 4 s … 60 s; a minute without failures forgets them. */
const backOff = { firstMs: 1000, longestMs: 60_000, forgetMs: 60_000 };

export function replicaSetController(options: ControllerOptions): Controller {
  const { store } = options;
  const failures = new FailureBackOff();
  return {
    name: "replica-set",
    keysOf: ({ stored }) => {
      if (stored.kind === "ReplicaSet") return [keyOf(stored)];
      const owner = stored.kind === "Pod" ? controllerOf(stored) : undefined;
      return owner?.kind === "ReplicaSet" ? [`${stored.namespace ?? ""}/${owner.name}`] : [];
    },
    keysAtStart: () => store.list("ReplicaSet").map(keyOf),
    reconcile: (key) => {
      const { namespace, name } = partsOf(key);
      const set = store.get("ReplicaSet", namespace, name);
      if (set !== undefined) return reconcile(options, set, failures);
      failures.forget(key);
      return undefined;
    },
  };
}

function reconcile(options: ControllerOptions, set: Stored<"ReplicaSet">, failures: FailureBackOff): number | undefined {
  const { store, timers } = options;
  const now = timers.now();
  const first = decideReplicaSet({ replicaSet: set.value, pods: podsOf(store, set), now });
  for (const pod of first.failed) store.delete({ kind: "Pod", ...pod.metadata }, { gracePeriodSeconds: 0 });
  for (const pod of first.remove) store.delete({ kind: "Pod", ...pod.metadata });
  const waitMs = failures.waitMs(keyOf(set), first.failed.length, now);
  if (waitMs === 0) for (let made = 0; made < first.create; made += 1) createPod(options, set);
  const { status, againMs } = decideReplicaSet({ replicaSet: set.value, pods: podsOf(store, set), now });
  writeStatus(store, set, status);
  return soonest(againMs, first.create > 0 && waitMs > 0 ? waitMs : undefined);
}

function podsOf(store: Store, set: Stored<"ReplicaSet">) {
  return store
    .dependentsOf(set.uid)
    .filter((stored): stored is Stored<"Pod"> => isKind(stored, "Pod"))
    .map((stored) => stored.value);
}

function createPod({ store, nameSuffix }: ControllerOptions, set: Stored<"ReplicaSet">): void {
  const template = objectAt(set.raw["spec"], "template");
  const { labels, annotations } = set.value.spec.template.metadata;
  const raw: RawResource = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: freeName(store, set, nameSuffix),
      generateName: `${set.name}-`,
      namespace: set.namespace,
      labels,
      annotations,
      ownerReferences: [controllerReference(set)],
    },
    spec: objectAt(template, "spec"),
  };
  acceptedOf(store.create(raw));
}

/** Kubernetes cuts generated names to 63 characters: 58 of the set's name and 5 random ones. */
function freeName(store: Store, set: Stored, nameSuffix: ControllerOptions["nameSuffix"]): string {
  const base = `${set.name}-`.slice(0, 58);
  for (;;) {
    const name = `${base}${nameSuffix(5)}`;
    if (store.get("Pod", set.namespace, name) === undefined) return name;
  }
}

function soonest(...waits: readonly (number | undefined)[]): number | undefined {
  const given = waits.filter((wait) => wait !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

/** Counts failed pods per set, and says how long to wait before making new ones. */
class FailureBackOff {
  readonly #bySet = new Map<string, { count: number; lastAt: number; until: number }>();

  /** Milliseconds to wait from `now`, after `failed` more pods have failed. */
  waitMs(key: string, failed: number, now: number): number {
    const known = this.#bySet.get(key);
    if (failed === 0) return Math.max(0, (known?.until ?? 0) - now);
    const recent = known !== undefined && now - known.lastAt < backOff.forgetMs + backOff.longestMs ? known.count : 0;
    const delay = recent === 0 ? 0 : Math.min(backOff.longestMs, backOff.firstMs * 2 ** (recent - 1));
    this.#bySet.set(key, { count: recent + 1, lastAt: now, until: now + delay });
    return delay;
  }

  forget(key: string): void {
    this.#bySet.delete(key);
  }
}
