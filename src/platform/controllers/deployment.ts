// The Deployment controller: makes a ReplicaSet per template, scales them as rollout.ts decides, keeps history and status.

import type { Deployment } from "../../api/kubernetes/deployment.ts";
import type { ReplicaSet } from "../../api/kubernetes/replica-set.ts";
import { contentHash } from "../../lib/hash.ts";
import { acceptedOf, isKind, type JsonObject, type RawResource, type Store, type Stored } from "../../store/store.ts";
import { type Controller, keyOf, partsOf } from "./controller.ts";
import { decideDeploymentStatus, type SetCounts } from "./deployment-status.ts";
import { controllerOf, controllerReference, objectAt, writeStatus } from "./objects.ts";
import type { ControllerOptions } from "./options.ts";
import { isActive } from "./pods.ts";
import { decideRollout, type RolloutSet } from "./rollout.ts";

/** Label Kubernetes puts on a ReplicaSet and its pods. */
export const templateHashLabel = "pod-template-hash";
/** Annotation that numbers the templates of a Deployment; kubectl rollout history reads it. */
export const revisionAnnotation = "deployment.kubernetes.io/revision";

export function deploymentController({ store, timers }: ControllerOptions): Controller {
  return {
    name: "deployment",
    keysOf: ({ stored }) => keysOf(store, stored),
    keysAtStart: () => store.list("Deployment").map(keyOf),
    reconcile: (key) => {
      const { namespace, name } = partsOf(key);
      const deployment = store.get("Deployment", namespace, name);
      return deployment === undefined ? undefined : new DeploymentSync(store, deployment).run(timers.now());
    },
  };
}

/** A Deployment itself, that of a ReplicaSet, and (for Recreate, which waits for ending pods) that of a Pod. */
function keysOf(store: Store, stored: Stored): readonly string[] {
  if (stored.kind === "Deployment") return [keyOf(stored)];
  const owner = controllerOf(stored);
  if (owner === undefined) return [];
  if (stored.kind === "ReplicaSet" && owner.kind === "Deployment") return [`${stored.namespace ?? ""}/${owner.name}`];
  if (stored.kind !== "Pod" || owner.kind !== "ReplicaSet") return [];
  const set = store.byUid(owner.uid);
  const deployment = set === undefined ? undefined : controllerOf(set);
  return deployment === undefined ? [] : [`${stored.namespace ?? ""}/${deployment.name}`];
}

class DeploymentSync {
  readonly #store: Store;
  readonly #stored: Stored<"Deployment">;
  readonly #deployment: Deployment;
  readonly #template: JsonObject;
  readonly #hash: string;

  constructor(store: Store, stored: Stored<"Deployment">) {
    this.#store = store;
    this.#stored = stored;
    this.#deployment = stored.value;
    this.#template = objectAt(stored.raw["spec"], "template");
    this.#hash = contentHash(canonicalJson(this.#template)).slice(0, 10);
  }

  run(now: number): number | undefined {
    if (this.#deployment.metadata.deletionTimestamp !== undefined) return undefined;
    this.#adoptSet();
    if (this.#current() === undefined && !this.#deployment.spec.paused) this.#createSet();
    else this.#numberRevision();
    this.#followMinReady();
    this.#scale();
    this.#forgetHistory();
    return this.#writeStatus(now);
  }

  /** Its ReplicaSets, oldest first. */
  #sets(): readonly Stored<"ReplicaSet">[] {
    const owned = this.#store.dependentsOf(this.#stored.uid);
    return owned.filter((stored): stored is Stored<"ReplicaSet"> => isKind(stored, "ReplicaSet") && !isEnding(stored));
  }

  #current(): Stored<"ReplicaSet"> | undefined {
    return this.#sets().find((set) => set.value.metadata.labels[templateHashLabel] === this.#hash);
  }

  #old(): readonly Stored<"ReplicaSet">[] {
    const current = this.#current();
    return this.#sets().filter((set) => set !== current);
  }

  /** The set of this template that an orphaning deletion left behind becomes ours. */
  #adoptSet(): void {
    const set = this.#store.get("ReplicaSet", this.#stored.namespace, this.#setName());
    if (set === undefined || isEnding(set) || controllerOf(set) !== undefined) return;
    const ownerReferences = [...(set.raw.metadata.ownerReferences ?? []), controllerReference(this.#stored)];
    acceptedOf(this.#store.update({ ...set.raw, metadata: { ...set.raw.metadata, ownerReferences } }));
  }

  #setName(): string {
    return `${this.#stored.name}-${this.#hash}`;
  }

  #createSet(): void {
    const { namespace } = this.#stored;
    const { replicas, minReadySeconds } = this.#deployment.spec;
    const revision = this.#latestRevision() + 1;
    const labels = { ...this.#deployment.spec.template.metadata.labels, [templateHashLabel]: this.#hash };
    const selector = objectAt(this.#stored.raw["spec"], "selector");
    const matchLabels = { ...objectAt(selector, "matchLabels"), [templateHashLabel]: this.#hash };
    const template = { ...this.#template, metadata: { ...objectAt(this.#template, "metadata"), labels } };
    const raw: RawResource = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name: this.#setName(),
        namespace,
        labels,
        annotations: { [revisionAnnotation]: String(revision) },
        ownerReferences: [controllerReference(this.#stored)],
      },
      spec: { replicas: this.#old().length === 0 ? replicas : 0, minReadySeconds, selector: { ...selector, matchLabels }, template },
    };
    acceptedOf(this.#store.create(raw));
    this.#annotate(this.#stored, revision);
  }

  /** A template used before becomes the newest revision again (rollout undo). */
  #numberRevision(): void {
    const current = this.#current();
    if (current === undefined) return;
    const others = Math.max(0, ...this.#old().map(revisionOf));
    const revision = revisionOf(current) > others ? revisionOf(current) : others + 1;
    this.#annotate(current, revision);
    this.#annotate(this.#stored, revision);
  }

  #latestRevision(): number {
    return Math.max(0, ...this.#sets().map(revisionOf));
  }

  #annotate(stored: Stored, revision: number): void {
    const annotations = { ...stored.raw.metadata.annotations, [revisionAnnotation]: String(revision) };
    acceptedOf(this.#store.update({ ...stored.raw, metadata: { ...stored.raw.metadata, resourceVersion: "", annotations } }));
  }

  #followMinReady(): void {
    const { minReadySeconds } = this.#deployment.spec;
    const current = this.#current();
    if (current !== undefined && current.value.spec.minReadySeconds !== minReadySeconds) this.#updateSpec(current, { minReadySeconds });
  }

  #scale(): void {
    const { replicas, strategy, paused } = this.#deployment.spec;
    const current = this.#current();
    const old = this.#old().map((set) => this.#rolloutSet(set));
    const input = { replicas, strategy, paused, current: current && this.#rolloutSet(current), old };
    for (const scaling of decideRollout(input)) {
      const set = this.#sets().find(({ name }) => name === scaling.name);
      if (set !== undefined) this.#updateSpec(set, { replicas: scaling.replicas });
    }
  }

  #rolloutSet({ uid, name, value }: Stored<"ReplicaSet">): RolloutSet {
    const pods = this.#store.dependentsOf(uid).filter((stored): stored is Stored<"Pod"> => isKind(stored, "Pod"));
    const active = pods.filter((pod) => isActive(pod.value)).length;
    return { name, desired: value.spec.replicas, available: value.status?.availableReplicas ?? 0, active, existing: pods.length };
  }

  #updateSpec(set: Stored<"ReplicaSet">, change: JsonObject): void {
    const spec = { ...objectAt(set.raw, "spec"), ...change };
    acceptedOf(this.#store.update({ ...set.raw, spec }));
  }

  /** Deletes the oldest sets without pods beyond revisionHistoryLimit. */
  #forgetHistory(): void {
    const empty = this.#old().filter(({ value }) => value.spec.replicas === 0 && (value.status?.replicas ?? 0) === 0);
    const byRevision = empty.toSorted((left, right) => revisionOf(left) - revisionOf(right));
    const surplus = Math.max(0, byRevision.length - this.#deployment.spec.revisionHistoryLimit);
    for (const set of byRevision.slice(0, surplus)) this.#store.delete(set);
  }

  #writeStatus(now: number): number | undefined {
    const stored = this.#store.get("Deployment", this.#stored.namespace, this.#stored.name);
    if (stored === undefined) return undefined;
    const current = this.#current();
    const input = { deployment: stored.value, current: current && countsOf(current), old: this.#old().map(countsOf), now };
    const { status, againMs } = decideDeploymentStatus(input);
    writeStatus(this.#store, stored, status);
    return againMs;
  }
}

function isEnding(stored: Stored<"ReplicaSet">): boolean {
  return stored.value.metadata.deletionTimestamp !== undefined;
}

function revisionOf(set: Stored<"ReplicaSet">): number {
  return Number(set.value.metadata.annotations[revisionAnnotation] ?? 0);
}

function countsOf({ name, value }: { readonly name: string; readonly value: ReplicaSet }): SetCounts {
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = value.status ?? {};
  return { name, replicas, ready: readyReplicas, available: availableReplicas };
}

/** JSON with sorted keys: equal templates have equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
