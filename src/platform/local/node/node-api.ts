// What the node agent needs of the control plane: Kubernetes' API as a kubelet uses it. app hands it a client over the mesh's socket.

/** A resource as JSON; parsed with its kind's schema where it is used. */
export interface NodeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name?: string | undefined; readonly namespace?: string | undefined; readonly uid?: string | undefined };
}

export type NodeWatchEvent =
  | { readonly type: "sync"; readonly items: readonly NodeObject[] }
  | { readonly type: "added" | "modified" | "deleted"; readonly object: NodeObject }
  | { readonly type: "down"; readonly reason: string };

export type NodeKind = "Pod" | "ConfigMap" | "Secret";

export interface NodeObjectRef {
  readonly kind: NodeKind;
  readonly namespace: string;
  readonly name: string;
}

/** Calls reject with NotFound, Conflict or Unavailable; the agent retries what must arrive. */
export interface NodeApi {
  get(ref: NodeObjectRef): Promise<NodeObject>;
  watch(kind: "Pod", request: { readonly signal: AbortSignal }): AsyncIterable<NodeWatchEvent>;
  patchStatus(ref: NodeObjectRef, patch: unknown): Promise<unknown>;
  delete(ref: NodeObjectRef, request: { readonly gracePeriodSeconds: number; readonly uid: string }): Promise<void>;
}
