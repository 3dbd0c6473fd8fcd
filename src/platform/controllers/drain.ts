// Draining: once every proxy has acknowledged that an ending Pod is no endpoint any more, its condition lateen.dev/Drained becomes True.
// The node waits for it (at most min(5 s, grace)) before SIGTERM, so that no request is sent to a pod that is about to close.

import { timestamp } from "../../store/lifecycle.ts";
import { acceptedOf, type Stored } from "../../store/store.ts";
import type { Controller } from "./controller.ts";
import { objectAt } from "./objects.ts";
import type { ControllerOptions } from "./options.ts";

export const drainedCondition = "lateen.dev/Drained";

/** Keys are uids of Pods. Must come after the endpoint controller, whose writes the awaited revision includes. */
export function drainController(options: ControllerOptions): Controller & { close(): void } {
  const { store } = options;
  const closing = new AbortController();
  const waiting = new Map<string, AbortController>();
  return {
    name: "drain",
    close: () => closing.abort(),
    keysOf: ({ type, stored }) => {
      if (stored.kind !== "Pod") return [];
      if (type === "DELETED") waiting.get(stored.uid)?.abort();
      return type !== "DELETED" && needsDrain(stored) ? [stored.uid] : [];
    },
    keysAtStart: () =>
      store
        .list("Pod")
        .filter(needsDrain)
        .map(({ uid }) => uid),
    reconcile: (uid) => {
      const pod = store.byUid(uid);
      if (pod === undefined || waiting.has(uid) || !needsDrain(pod)) return undefined;
      const gone = new AbortController();
      waiting.set(uid, gone);
      const signal = AbortSignal.any([closing.signal, gone.signal]);
      options
        .acknowledged(store.revision, signal)
        .then(() => setDrained(options, uid))
        // Given up, or the pod is gone: nothing is to be said. The node has its own time limit.
        .catch(() => {})
        .finally(() => waiting.delete(uid));
      return undefined;
    },
  };
}

function needsDrain(stored: Stored): boolean {
  return stored.raw.metadata.deletionTimestamp !== undefined && !conditionsOf(stored).some(({ type }) => type === drainedCondition);
}

function conditionsOf(stored: Stored): readonly { readonly type?: unknown }[] {
  const conditions = objectAt(stored.raw, "status")["conditions"];
  return Array.isArray(conditions) ? conditions : [];
}

function setDrained({ store, timers }: ControllerOptions, uid: string): void {
  const pod = store.byUid(uid);
  if (pod === undefined) return;
  const others = conditionsOf(pod).filter(({ type }) => type !== drainedCondition);
  const drained = { type: drainedCondition, status: "True", reason: "EndpointsAcknowledged", lastTransitionTime: timestamp(timers.now()) };
  acceptedOf(store.updateStatus({ ...pod.raw, status: { ...objectAt(pod.raw, "status"), conditions: [...others, drained] } }));
}
