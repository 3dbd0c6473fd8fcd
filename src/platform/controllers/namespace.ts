// The Namespace controller: a default ServiceAccount in each, and the end of those that are deleted with everything in them.

import { allKinds } from "../../api/registry.ts";
import { acceptedOf, type Store, type Stored, type StoreEvent } from "../../store/store.ts";
import type { Controller } from "./controller.ts";
import type { ControllerOptions } from "./options.ts";

/** Namespaces that exist from the start. */
export const initialNamespaces = ["default", "istio-system"] as const;

/** Keys are names of namespaces. */
export function namespaceController({ store }: ControllerOptions): Controller {
  for (const name of initialNamespaces) createNamespace(store, name);
  return {
    name: "namespace",
    keysOf: (event) => keysOf(store, event),
    keysAtStart: () => store.list("Namespace").map(({ name }) => name),
    reconcile: (name) => {
      const namespace = store.get("Namespace", undefined, name);
      if (namespace === undefined) return undefined;
      if (isEnding(namespace)) deleteContents(store, name);
      else createServiceAccount(store, name);
      return undefined;
    },
  };
}

function keysOf(store: Store, { type, stored }: StoreEvent): readonly string[] {
  if (stored.kind === "Namespace") return [stored.name];
  if (type !== "DELETED" || stored.namespace === undefined) return [];
  const namespace = store.get("Namespace", undefined, stored.namespace);
  if (namespace === undefined) return [];
  return isEnding(namespace) || stored.kind === "ServiceAccount" ? [stored.namespace] : [];
}

function isEnding(stored: Stored): boolean {
  return stored.raw.metadata.deletionTimestamp !== undefined;
}

function createNamespace(store: Store, name: string): void {
  if (store.get("Namespace", undefined, name) !== undefined) return;
  acceptedOf(store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { "kubernetes.io/metadata.name": name } } }));
}

function createServiceAccount(store: Store, namespace: string): void {
  if (store.get("ServiceAccount", namespace, "default") !== undefined) return;
  acceptedOf(store.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } }));
}

function deleteContents(store: Store, namespace: string): void {
  const contents = (): readonly Stored[] =>
    allKinds().flatMap(({ kind, namespaced }): readonly Stored[] => (namespaced ? store.list(kind, { namespace }) : []));
  for (const stored of contents()) {
    // What goes with its owner may be gone by now.
    if (!isEnding(stored) && store.byUid(stored.uid) !== undefined) store.delete(stored, { uid: stored.uid });
  }
  if (contents().length === 0) store.delete({ kind: "Namespace", name: namespace }, { contentsGone: true });
}
