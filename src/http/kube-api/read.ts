// get and list: stored objects to Kubernetes' bodies.

import type { RawResource, Store } from "../../store/store.ts";
import type { ListQuery } from "../contract.ts";
import { selectionOf } from "./selection.ts";
import { objectOf, served, type Target } from "./target.ts";

/** The body of a get. @throws NotFound */
export function getBody(store: Store, target: Target): RawResource {
  return served(objectOf(store, target).raw, target);
}

/** The body of a list; always whole, whatever `limit` says. */
export function listBody(store: Store, target: Target, query: ListQuery): object {
  const selects = selectionOf(query);
  const objects = store.list(target.kind, { namespace: target.namespace }).filter(selects);
  return {
    kind: `${target.kind}List`,
    apiVersion: target.apiVersion,
    metadata: { resourceVersion: String(store.revision) },
    items: objects.map((stored) => served(stored.raw, target)),
  };
}
