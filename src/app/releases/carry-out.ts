// The hands of the release engine: each action of a decision is carried out so that doing it twice is the same as doing it once. Routes are not among them:
// they follow from the stored state.

import { isJsonObject } from "../../api/json.ts";
import type { Release } from "../../api/release/release.ts";
import { MeshError } from "../../lib/errors.ts";
import { contentHash } from "../../lib/hash.ts";
import type { Logger } from "../../lib/log.ts";
import { templateHashLabel } from "../../platform/controllers/deployment.ts";
import type { Action } from "../../release/actions.ts";
import type { CheckResult } from "../../release/observation.ts";
import type { RawResource, Store } from "../../store/store.ts";
import { versionsOf } from "./observed-versions.ts";

type ActionOf<Type extends Action["type"]> = Extract<Action, { readonly type: Type }>;

/** Sends a check of a preview step to the candidate and reports; never rejects. */
export type SendChecks = (release: Release, candidate: string, action: ActionOf<"check">) => Promise<readonly CheckResult[]>;

/** Tells a transition to whoever asked for it (webhooks); must not throw, keeps its own queue. */
export type Tell = (release: Release, event: ActionOf<"event">) => void;

export interface HandsOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly tell: Tell;
}

/** Events older than this are removed (kube-apiserver --event-ttl). */
const eventLifeMs = 3_600_000;

/** Creates the Events of a transition, on the Release and on its Service, and tells it. */
export function tellEvent(release: Release, action: ActionOf<"event">, { store, logger, nowMs, tell }: HandsOptions): void {
  const { name, namespace, uid } = release.metadata;
  const time = new Date(nowMs()).toISOString();
  const service = store.get("Service", namespace, release.spec.service);
  const about = [
    { apiVersion: release.apiVersion, kind: "Release", name, namespace, ...(uid === undefined ? {} : { uid }) },
    ...(service === undefined ? [] : [{ apiVersion: "v1", kind: "Service", name: service.name, namespace, uid: service.uid }]),
  ];
  let isNew = false;
  for (const involvedObject of about) {
    isNew =
      createOnce(store, {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: `${involvedObject.name}.${contentHash(`${action.id} ${involvedObject.kind}`).slice(0, 16)}`, namespace },
        involvedObject,
        reason: action.reason,
        message: action.message,
        type: warnings.has(action.reason) ? "Warning" : "Normal",
        source: { component: "release-engine" },
        firstTimestamp: time,
        lastTimestamp: time,
        count: 1,
      }) || isNew;
  }
  if (!isNew) return;
  logger.info(`release ${namespace}/${name}: ${action.message}`, { reason: action.reason });
  tell(release, action);
}

const warnings: ReadonlySet<string> = new Set([
  "HarmFound",
  "LimitCrossed",
  "StepFailed",
  "NoPods",
  "NoData",
  "ProviderDown",
  "Suspicion",
  "Stalled",
  "Blocked",
  "Refused",
  "RolledBack",
  "Failed",
  "ReturnRefused",
  "SharesDiffer",
  "ReleaseDeleted",
  "CandidateUnready",
  "StableUnready",
  "Indistinct",
  "MetricProviderDown",
  "ConfigurationChanged",
]);

/** Removes Events that are too old, whoever made them. */
export function forgetOldEvents({ store, nowMs }: Pick<HandsOptions, "store" | "nowMs">): void {
  const oldest = new Date(nowMs() - eventLifeMs).toISOString();
  for (const { value, name, namespace, kind } of store.list("Event")) {
    if ((value.lastTimestamp ?? oldest) < oldest) store.delete({ kind, namespace, name });
  }
}

/** Whether the object is new. */
export function createOnce(store: Store, raw: RawResource): boolean {
  try {
    return store.create(raw).accepted;
  } catch (error) {
    const { code } = MeshError.from(error);
    // Somebody deletes the namespace, or it was told before: nobody is left to tell.
    if (code === "already_exists" || code === "conflict" || code === "not_found") return false;
    throw error;
  }
}

/** Sets the replicas of a version's Deployment, if it opted in. */
export function scaleVersion(release: Release, { version, replicas }: ActionOf<"scale">, store: Store): void {
  const found = versionsOf(release, store.snapshot()).find(({ name }) => name === version);
  if (found?.scaleManaged !== true || found.deployment === undefined) return;
  const stored = store.get("Deployment", release.metadata.namespace, found.deployment.metadata.name);
  if (stored === undefined || stored.value.spec.replicas === replicas) return;
  store.update({ ...stored.raw, spec: { ...specOf(stored.raw), replicas } });
}

/** Which template a Deployment is to have. */
export interface RolloutWish {
  readonly direction: "forward" | "undo";
  readonly candidate: string;
  readonly stable: string;
}

/**
 * Takes a Deployment's own update back, as `kubectl rollout undo` does it, or puts it on again after it was taken back. Whatever else somebody
 * has made its template since stays.
 */
export function turnRollout(release: Release, { direction, candidate, stable }: RolloutWish, store: Store): "done" | "later" {
  const versions = versionsOf(release, store.snapshot());
  const [wanted, other] = direction === "undo" ? [stable, candidate] : [candidate, stable];
  const { set, deployment } = versions.find(({ name }) => name === wanted) ?? {};
  if (set === undefined || deployment === undefined) return "done";
  const ofIts = versions.filter((version) => version.deployment?.metadata.name === deployment.metadata.name);
  const now = ofIts.find(({ deployed }) => deployed === true)?.name;
  // Its controller hasn't seen the newest template yet, which may be a third one.
  if (now === undefined) return "later";
  const { namespace } = release.metadata;
  const stored = store.get("Deployment", namespace, deployment.metadata.name);
  const template = rawTemplate(store, namespace, set.metadata.name);
  if (now !== other || stored === undefined || template === undefined) return "done";
  store.update({ ...stored.raw, spec: { ...specOf(stored.raw), template } });
  return "done";
}

function rawTemplate(store: Store, namespace: string, name: string): Readonly<Record<string, unknown>> | undefined {
  const raw = store.get("ReplicaSet", namespace, name)?.raw;
  const template = raw === undefined ? undefined : specOf(raw)["template"];
  if (!isJsonObject(template)) return undefined;
  const metadata = isJsonObject(template["metadata"]) ? template["metadata"] : {};
  const labels = isJsonObject(metadata["labels"]) ? metadata["labels"] : {};
  const own = Object.fromEntries(Object.entries(labels).filter(([label]) => label !== templateHashLabel));
  return { ...template, metadata: { ...metadata, labels: own } };
}

function specOf(raw: RawResource): Readonly<Record<string, unknown>> {
  return isJsonObject(raw["spec"]) ? raw["spec"] : {};
}
