// get and list: stored objects to Kubernetes' bodies.

import type { RawResource, Store, Stored } from "../../store/store.ts";
import type { ListQuery } from "../contract.ts";
import { selectionOf } from "./selection.ts";
import { tableOf } from "./table.ts";
import { objectOf, served, type Target } from "./target.ts";

/** The body of a get. @throws NotFound */
export function getBody(store: Store, target: Target): RawResource {
  return served(objectOf(store, target).raw, target);
}

/** The body of a get or list as a Table. @throws NotFound */
export function tableBody(store: Store, target: Target, query: ListQuery): object {
  const objects = target.name === undefined ? selected(store, target, query) : [objectOf(store, target)];
  return tableOf(objects, target, { now: Date.now(), revision: store.revision });
}

function selected(store: Store, target: Target, query: ListQuery): readonly Stored[] {
  return store.list(target.kind, { namespace: target.namespace }).filter(selectionOf(query));
}

/** The body of a list; always whole, whatever `limit` says. */
export function listBody(store: Store, target: Target, query: ListQuery): object {
  return {
    kind: `${target.kind}List`,
    apiVersion: target.apiVersion,
    metadata: { resourceVersion: String(store.revision) },
    items: selected(store, target, query).map((stored) => served(stored.raw, target)),
  };
}
