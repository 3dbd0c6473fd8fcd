// The store itself: all objects in memory, each change first given to a journal (SQLite, or none), then visible, then told to listeners.
// Reads never touch a disk. Everything handed out is frozen.

import type { Diagnostic } from "../api/diagnostic.ts";
import type { KindName } from "../api/registry.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { Clock } from "../lib/clock.ts";
import { Conflict, MeshError, NotFound } from "../lib/errors.ts";
import { Announcer } from "./announcer.ts";
import { History } from "./history.ts";
import { copyJson, deepFreeze, isRawResource } from "./json.ts";
import * as lifecycle from "./lifecycle.ts";
import type { Parser } from "./parser.ts";
import { SnapshotMaker } from "./snapshot-maker.ts";
import * as contract from "./store.ts";
import { type Change, Tables } from "./tables.ts";

/** Where changes are made durable before they are visible; throws when it can't, and then nothing has changed. */
export interface Journal {
  write(change: JournalChange): void;
  close(): void;
}

export interface JournalChange {
  readonly key: contract.ObjectKey;
  /** JSON of the object; undefined when it is removed. */
  readonly body: string | undefined;
  readonly revision: number;
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly parser: Parser;
  /** A fresh random UUID. */
  readonly newUid: () => string;
  /** Changes kept for watchers that resume; default 1000 (they hold the objects' old versions in memory). */
  readonly historySize?: number;
  readonly journal?: Journal;
  /** What a journal kept from before. */
  readonly initial?: { readonly revision: number; readonly objects: readonly contract.RawResource[] };
  /** Called with what a listener threw; the store goes on. Default: a warning of the process on stderr. */
  readonly onListenerError?: (error: unknown) => void;
}

/** A Store in memory; with a journal it survives. */
export class MemoryStore implements contract.Store {
  readonly #options: MemoryStoreOptions;
  readonly #tables = new Tables();
  readonly #history: History;
  readonly #announcer: Announcer;
  readonly #snapshots = new SnapshotMaker();
  readonly #unreadable: { raw: contract.RawResource; diagnostics: readonly Diagnostic[] }[] = [];
  #revision: number;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#revision = options.initial?.revision ?? 0;
    this.#history = new History(options.historySize ?? 1000, this.#revision);
    this.#announcer = new Announcer(options.onListenerError ?? warnOf);
    for (const raw of options.initial?.objects ?? []) this.#restore(raw);
  }

  get revision(): number {
    return this.#revision;
  }

  get<K extends KindName>(kind: K, namespace: string | undefined, name: string): contract.Stored<K> | undefined {
    return this.#tables.of(kind).get(namespace, name);
  }

  list<K extends KindName>(kind: K, { namespace, matches }: contract.ListOptions = {}): readonly contract.Stored<K>[] {
    const table = this.#tables.of(kind);
    const objects = namespace === undefined ? table.all() : table.inNamespace(namespace);
    return matches === undefined ? objects : objects.filter((stored) => matches(stored.raw.metadata.labels ?? {}));
  }

  byUid(uid: string): contract.Stored | undefined {
    return this.#tables.index.byUid(uid);
  }

  dependentsOf(uid: string): readonly contract.Stored[] {
    return this.#tables.index.dependentsOf(uid);
  }

  create(input: contract.RawResource): contract.WriteResult {
    const raw = this.#normalised(input);
    const key = this.#keyOf(raw);
    if (key === undefined) return this.#unknownKind(raw);
    const uid = this.#options.newUid();
    const prefix = raw.metadata.generateName;
    const name = raw.metadata.name ?? (prefix === undefined ? undefined : `${prefix}${uid.slice(0, 5)}`);
    if (name !== undefined && this.#tables.of(key.kind).get(key.namespace, name) !== undefined) {
      throw new MeshError("already_exists", `${describe({ ...key, name })} already exists`, { fix: "Update it, or choose another name." });
    }
    this.#checkNamespace(key.namespace);
    const stamp = { name, namespace: key.namespace, uid, now: lifecycle.timestamp(this.#options.clock.now()) };
    return this.#write(key.kind, lifecycle.createdObject(raw, stamp), undefined);
  }

  update(input: contract.RawResource): contract.WriteResult {
    const raw = this.#normalised(input);
    const current = this.#currentOf(raw);
    return current === undefined ? this.#unknownKind(raw) : this.#replace(current, lifecycle.updatedObject(current.raw, raw));
  }

  updateStatus(input: contract.RawResource): contract.WriteResult {
    const raw = this.#normalised(input);
    const current = this.#currentOf(raw);
    return current === undefined ? this.#unknownKind(raw) : this.#replace(current, lifecycle.statusObject(current.raw, raw));
  }

  delete(key: contract.ObjectKey, options: contract.DeleteOptions = {}): contract.DeleteResult {
    const current = this.get(key.kind, key.namespace, key.name);
    if (current === undefined) throw new NotFound(`${describe(key)} does not exist`);
    checkPreconditions(current, options);
    const graceSeconds = lifecycle.graceSecondsOf(current.raw, options.gracePeriodSeconds);
    const finalizers = finalizersAfter(current, options);
    const waits = finalizers.length > 0 || (graceSeconds ?? 0) > 0 || (key.kind === "Namespace" && options.contentsGone !== true);
    if (!waits) return { removed: true, stored: this.#remove(current) };
    const ending = lifecycle.endingObject(current.raw, { epochMs: this.#options.clock.now(), graceSeconds, finalizers });
    // A repeated delete that asks for nothing new must not move the deadline.
    const known = current.raw.metadata;
    const repeated = known.deletionTimestamp !== undefined && known.deletionGracePeriodSeconds === graceSeconds;
    if (repeated && finalizers.length === (known.finalizers ?? []).length) return { removed: false, stored: current };
    return { removed: false, stored: contract.acceptedOf(this.#write(key.kind, ending, current)) };
  }

  subscribe(listener: contract.StoreListener): () => void {
    return this.#announcer.subscribe(listener);
  }

  eventsSince(revision: number): readonly contract.StoreEvent[] | "gone" {
    return this.#history.since(revision);
  }

  snapshot(): Snapshot {
    return this.#snapshots.make(this.#revision, this.#tables);
  }

  unreadable(): readonly { readonly raw: contract.RawResource; readonly diagnostics: readonly Diagnostic[] }[] {
    return this.#unreadable;
  }

  close(): void {
    this.#options.journal?.close();
  }

  #restore(raw: contract.RawResource): void {
    const kind = this.#options.parser.kindOf(raw)?.kind;
    const { value, diagnostics } = this.#options.parser.parse(raw);
    if (kind === undefined || value === undefined || hasError(diagnostics)) this.#unreadable.push({ raw, diagnostics });
    else
      this.#tables.apply({ stored: storedOf({ kind, raw, value, revision: Number(raw.metadata.resourceVersion) }), previous: undefined });
  }

  /** A copy that shares nothing with the caller's object, holds only what JSON can hold, and is in the version we store. */
  #normalised(input: contract.RawResource): contract.RawResource {
    const copy = jsonCopy(input);
    return { ...copy, apiVersion: this.#options.parser.kindOf(copy)?.apiVersion ?? copy.apiVersion };
  }

  #keyOf(raw: contract.RawResource): { kind: KindName; namespace: string | undefined } | undefined {
    const known = this.#options.parser.kindOf(raw);
    if (known === undefined) return undefined;
    return { kind: known.kind, namespace: known.namespaced ? (raw.metadata.namespace ?? "default") : undefined };
  }

  #currentOf(raw: contract.RawResource): contract.Stored | undefined {
    const key = this.#keyOf(raw);
    if (key === undefined) return undefined;
    const name = raw.metadata.name ?? "";
    const current = this.get(key.kind, key.namespace, name);
    if (current === undefined) throw new NotFound(`${describe({ ...key, name })} does not exist`);
    checkPreconditions(current, raw.metadata);
    return current;
  }

  #checkNamespace(namespace: string | undefined): void {
    if (namespace === undefined) return;
    const ending = this.get("Namespace", undefined, namespace)?.raw.metadata.deletionTimestamp !== undefined;
    if (ending) throw new Conflict(`namespace ${namespace} is being deleted`, { fix: "Wait until it is gone, then create it again." });
  }

  #replace(current: contract.Stored, next: contract.RawResource): contract.WriteResult {
    if (lifecycle.sameObject(current.raw, next)) return { accepted: true, stored: current, changed: false, warnings: [] };
    const result = this.#write(current.kind, next, current);
    if (!result.accepted || !isOver(next)) return result;
    return { ...result, stored: this.#remove(result.stored) };
  }

  #write(kind: KindName, unversioned: contract.RawResource, previous: contract.Stored | undefined): contract.WriteResult {
    const revision = this.#revision + 1;
    const raw = lifecycle.atRevision(unversioned, revision);
    const { value, diagnostics } = this.#options.parser.parse(raw);
    if (value === undefined || hasError(diagnostics)) return { accepted: false, diagnostics };
    const stored = storedOf({ kind, raw, value, revision });
    this.#options.journal?.write({ key: stored, body: JSON.stringify(raw), revision });
    this.#commit({ stored, previous }, previous === undefined ? "ADDED" : "MODIFIED");
    return { accepted: true, stored, changed: true, warnings: diagnostics };
  }

  #remove(current: contract.Stored): contract.Stored {
    const revision = this.#revision + 1;
    const last = Object.freeze({ ...current, revision, raw: Object.freeze(lifecycle.atRevision(current.raw, revision)) });
    this.#options.journal?.write({ key: current, body: undefined, revision });
    this.#commit({ stored: last, previous: current }, "DELETED");
    return last;
  }

  #commit({ stored, previous }: Change, type: contract.StoreEvent["type"]): void {
    this.#revision = stored.revision;
    if (type === "DELETED") this.#tables.remove(stored);
    else this.#tables.apply({ stored, previous });
    const event = Object.freeze({ type, revision: stored.revision, stored, previous });
    this.#history.push(event);
    this.#announcer.announce(event);
  }

  #unknownKind(raw: contract.RawResource): contract.Refused {
    return { accepted: false, diagnostics: this.#options.parser.parse(raw).diagnostics };
  }
}

function warnOf(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

function jsonCopy(raw: contract.RawResource): contract.RawResource {
  const copy = copyJson(raw);
  return isRawResource(copy) ? copy : { ...copy, apiVersion: raw.apiVersion, kind: raw.kind, metadata: {} };
}

function storedOf(parts: Pick<contract.Stored, "kind" | "raw" | "value" | "revision">): contract.Stored {
  const { namespace, name = "", uid = "" } = parts.raw.metadata;
  return deepFreeze({ ...parts, namespace, name, uid });
}

function checkPreconditions(current: contract.Stored, wanted: { readonly uid?: unknown; readonly resourceVersion?: unknown }): void {
  const { uid, resourceVersion } = wanted;
  const fix = "Read it again and repeat the change on what it is now.";
  if (typeof uid === "string" && uid !== "" && uid !== current.uid) {
    throw new Conflict(`${describe(current)} is another object of the same name now (uid ${current.uid}, not ${uid})`, { fix });
  }
  const version = String(current.revision);
  if (typeof resourceVersion === "string" && resourceVersion !== "" && resourceVersion !== version) {
    throw new Conflict(`${describe(current)} has changed: it is at resourceVersion ${version}, not ${resourceVersion}`, { fix });
  }
}

function finalizersAfter(current: contract.Stored, { propagationPolicy }: contract.DeleteOptions): readonly string[] {
  const finalizers = current.raw.metadata.finalizers ?? [];
  const wanted = { Foreground: lifecycle.foregroundFinalizer, Orphan: lifecycle.orphanFinalizer, Background: undefined };
  const added = wanted[propagationPolicy ?? "Background"];
  return added === undefined || finalizers.includes(added) ? finalizers : [...finalizers, added];
}

/** An ending object that nobody waits for any more: its last finalizer went, and it is no Pod within its grace and no Namespace. */
function isOver(raw: contract.RawResource): boolean {
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = raw.metadata;
  return deletionTimestamp !== undefined && finalizers.length === 0 && deletionGracePeriodSeconds === 0 && raw.kind !== "Namespace";
}

function hasError(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}

function describe(key: contract.ObjectKey): string {
  return key.namespace === undefined ? `${key.kind} ${key.name}` : `${key.kind} ${key.namespace}/${key.name}`;
}
