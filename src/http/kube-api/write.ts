// create, update, patch, apply and delete: request bodies to store writes, and results to answers with Kubernetes' codes.

import { MeshError, NotFound } from "../../lib/errors.ts";
import { isJsonObject, isRawResource, mergePatch } from "../../store/json.ts";
import type { Parser } from "../../store/parser.ts";
import type { DeleteOptions, RawMeta, RawResource, Store, Stored, WriteResult } from "../../store/store.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { diagnosticText, invalid, success } from "./kube-status.ts";
import { prepared } from "./prepare.ts";
import { selectionOf } from "./selection.ts";
import { strategicMerge } from "./strategic-merge.ts";
import { objectOf, served, type Target } from "./target.ts";

/** An answer: HTTP code, body, warnings for the Warning header. */
export interface Answer {
  readonly code: number;
  readonly body: object;
  readonly warnings: readonly string[];
  /** False when the object was so already. */
  readonly changed: boolean;
}

export interface WriteContext {
  readonly store: Store;
  readonly parser: Parser;
  readonly dryRun: boolean;
}

/** POST to a collection. */
export function create(context: WriteContext, target: Target, body: unknown): Answer {
  const raw = prepared(bodyFor(target, body));
  checkNamespaceExists(context.store, target, raw);
  return answer(context, { target, raw, code: 201, write: () => context.store.create(raw) });
}

/** PUT of an object or its status. */
export function update(context: WriteContext, target: Target, body: unknown): Answer {
  const raw = prepared(bodyFor(target, body));
  objectOf(context.store, target);
  return answer(context, {
    target,
    raw,
    code: 200,
    write: () => (target.status ? context.store.updateStatus(raw) : context.store.update(raw)),
  });
}

/** PATCH with a JSON merge patch (RFC 7386). */
export function patchMerge(context: WriteContext, target: Target, patch: unknown): Answer {
  if (!isJsonObject(patch))
    throw new MeshError("bad_request", "a merge patch of an object is an object", { fix: 'Send for example {"spec":{…}}.' });
  return update(context, target, mergePatch(objectOf(context.store, target).raw, patch));
}

/** PATCH with a JSON patch (RFC 6902). */
export function patchJson(context: WriteContext, target: Target, patch: unknown): Answer {
  return update(context, target, applyJsonPatch(objectOf(context.store, target).raw, patch));
}

/** PATCH with a strategic merge patch; Kubernetes has it for its own kinds only. */
export function patchStrategic(context: WriteContext, target: Target, patch: unknown): Answer {
  if (!isJsonObject(patch)) throw new MeshError("bad_request", "a strategic merge patch of an object is an object");
  return update(context, target, strategicMerge(objectOf(context.store, target).raw, patch));
}

/**
 * PATCH with application/apply-patch: create, or replace the body by the manifest. Labels and annotations of others stay,
 * as do finalizers and owners the manifest does not mention.
 */
export function apply(context: WriteContext, target: Target, body: unknown): Answer {
  const raw = bodyFor(target, body);
  const current = context.store.get(target.kind, target.namespace, target.name ?? "");
  if (current === undefined) return create(context, target, raw);
  const { labels, annotations, finalizers, ownerReferences } = current.raw.metadata;
  const metadata: RawMeta = {
    finalizers,
    ownerReferences,
    ...raw.metadata,
    labels: merged(labels, raw.metadata.labels),
    annotations: merged(annotations, raw.metadata.annotations),
  };
  return update(context, target, { ...raw, metadata });
}

/** DELETE of one object. */
export function remove(context: WriteContext, target: Target, options: DeleteOptions): Answer {
  const stored = objectOf(context.store, target);
  if (context.dryRun) return { code: 200, body: served(stored.raw, target), warnings: [], changed: false };
  const result = context.store.delete(stored, options);
  const details = { name: stored.name, group: target.definition.group, kind: target.definition.plural, uid: stored.uid };
  return { code: 200, body: result.removed ? success(details) : served(result.stored.raw, target), warnings: [], changed: true };
}

/** DELETE of a collection, or of what its selectors pick. */
export function removeAll(
  context: WriteContext,
  target: Target,
  request: {
    readonly query: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined };
    readonly options: DeleteOptions;
  },
): Answer {
  const chosen = context.store.list(target.kind, { namespace: target.namespace }).filter(selectionOf(request.query));
  for (const stored of context.dryRun ? [] : chosen) context.store.delete(stored, request.options);
  return {
    code: 200,
    body: success({ group: target.definition.group, kind: target.definition.plural }),
    warnings: [],
    changed: chosen.length > 0,
  };
}

interface PendingWrite {
  readonly target: Target;
  readonly raw: RawResource;
  readonly code: number;
  readonly write: () => WriteResult;
}

function answer(context: WriteContext, { target, raw, code, write }: PendingWrite): Answer {
  const result = context.dryRun ? dryRun(context, target, raw) : write();
  if (!result.accepted) {
    const body = invalid(result.diagnostics, { kind: target.kind, name: raw.metadata.name ?? "" });
    return { code: body.code, body, warnings: [], changed: false };
  }
  const warnings = result.warnings.map((diagnostic) => `${diagnostic.path}: ${diagnosticText(diagnostic)}`);
  return { code, body: served(result.stored.raw, target), warnings, changed: result.changed };
}

/** What a write would say, with nothing written. */
function dryRun({ store, parser }: WriteContext, target: Target, raw: RawResource): DryResult {
  const current = store.get(target.kind, target.namespace, raw.metadata.name ?? "");
  const metadata = { ...raw.metadata, uid: current?.uid ?? "" };
  const { value, diagnostics } = parser.parse({ ...raw, metadata });
  if (value === undefined || diagnostics.some(({ severity }) => severity === "error")) return { accepted: false, diagnostics };
  return { accepted: true, stored: { raw }, changed: false, warnings: diagnostics };
}

type DryResult =
  | Extract<WriteResult, { accepted: false }>
  | (Omit<Extract<WriteResult, { accepted: true }>, "stored"> & { readonly stored: Pick<Stored, "raw"> });

/** The body as an object of the path's kind, name and namespace. @throws MeshError bad_request when they disagree. */
function bodyFor(target: Target, body: unknown): RawResource {
  if (!isJsonObject(body)) throw disagrees("the body is no JSON object");
  const raw: unknown = { apiVersion: target.apiVersion, kind: target.kind, metadata: {}, ...body };
  if (!isRawResource(raw)) throw disagrees("apiVersion and kind must be text, metadata an object");
  const { name = target.name, namespace = target.namespace } = raw.metadata;
  if (raw.kind !== target.kind) throw disagrees(`the body's kind is ${raw.kind}, the path's ${target.kind}`);
  if (raw.apiVersion !== target.apiVersion) throw disagrees(`the body's apiVersion is ${raw.apiVersion}, the path's ${target.apiVersion}`);
  if (target.name !== undefined && name !== target.name) throw disagrees(`the body's name is ${String(name)}, the path's ${target.name}`);
  if (target.definition.namespaced && target.namespace !== undefined && namespace !== target.namespace) {
    throw disagrees(`the body's namespace is ${String(namespace)}, the path's ${target.namespace}`);
  }
  return { ...raw, metadata: { ...raw.metadata, name, namespace: target.definition.namespaced ? (namespace ?? "default") : undefined } };
}

function disagrees(message: string): MeshError {
  return new MeshError("bad_request", message, { fix: "Make path and body agree." });
}

function checkNamespaceExists(store: Store, target: Target, raw: RawResource): void {
  const namespace = raw.metadata.namespace;
  if (!target.definition.namespaced || namespace === undefined) return;
  if (store.get("Namespace", undefined, namespace) === undefined) {
    throw new NotFound(`namespaces "${namespace}" not found`, { fix: `Create it first: apply a Namespace named ${namespace}` });
  }
}

function merged(current: RawMeta["labels"], applied: RawMeta["labels"]): RawMeta["labels"] {
  if (!isJsonObject(applied)) return applied ?? current;
  return Object.fromEntries([...Object.entries(current ?? {}), ...Object.entries(applied)]);
}
