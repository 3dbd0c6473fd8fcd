// A Store that survives: MemoryStore with SQLite as its journal. One row per object, one counter, each change one transaction.
// WAL with synchronous=NORMAL: a killed process loses nothing that was acknowledged; only a power cut may lose the last
// moments (never the consistency). FULL would cost an fsync, milliseconds, on the path of every weight change.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Unavailable } from "../lib/errors.ts";
import { isRawResource } from "./json.ts";
import { type Journal, type JournalChange, MemoryStore, type MemoryStoreOptions } from "./memory-store.ts";
import type { RawResource } from "./store.ts";

export interface SqliteStoreOptions extends Omit<MemoryStoreOptions, "journal" | "initial"> {
  /** The database file; made when absent. Its "-wal" file lies beside it. */
  readonly path: string;
}

/** Opens the store. @throws Unavailable when the file is damaged, in use by another process, or can't be written. */
export function openSqliteStore({ path, ...options }: SqliteStoreOptions): MemoryStore {
  const journal = openJournal(path);
  try {
    return new MemoryStore({ ...options, journal, initial: journal.load() });
  } catch (error) {
    journal.close();
    throw unavailable(path, error);
  }
}

function openJournal(path: string): SqliteJournal {
  try {
    return new SqliteJournal(path);
  } catch (error) {
    throw unavailable(path, error);
  }
}

const schema = `
  CREATE TABLE IF NOT EXISTS objects (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, name)
  );
  CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT OR IGNORE INTO counters VALUES ('revision', 0);
`;

class SqliteJournal implements Journal {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;

  constructor(path: string) {
    this.#path = path;
    this.#database = new DatabaseSync(path);
    try {
      // EXCLUSIVE keeps a second control plane out and needs no shared-memory file; the lock ends with the process.
      this.#database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      this.#checkIntegrity();
      this.#database.exec(schema);
      this.#put = this.#database.prepare("INSERT OR REPLACE INTO objects (kind, namespace, name, revision, body) VALUES (?, ?, ?, ?, ?)");
      this.#remove = this.#database.prepare("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?");
      this.#count = this.#database.prepare("UPDATE counters SET value = ? WHERE name = 'revision'");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  write({ key, body, revision }: JournalChange): void {
    const id = [key.kind, key.namespace ?? "", key.name] as const;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      if (body === undefined) this.#remove.run(...id);
      else this.#put.run(...id, revision, body);
      this.#count.run(revision);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#rollBack();
      throw unavailable(this.#path, error);
    }
  }

  load(): { revision: number; objects: RawResource[] } {
    const counter = this.#database.prepare("SELECT value FROM counters WHERE name = 'revision'").get();
    const rows = this.#database.prepare("SELECT body FROM objects ORDER BY revision").all();
    return { revision: Number(counter?.["value"] ?? 0), objects: rows.map((row) => parseBody(row["body"])) };
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #rollBack(): void {
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  #checkIntegrity(): void {
    const rows = this.#database.prepare("PRAGMA integrity_check(1)").all();
    const result = rows[0]?.["integrity_check"];
    if (result !== "ok") throw new Error(`integrity check: ${String(result)}`);
  }
}

function parseBody(body: unknown): RawResource {
  const raw: unknown = JSON.parse(String(body));
  if (!isRawResource(raw)) throw new Error(`a row holds no resource: ${String(body).slice(0, 80)}`);
  return raw;
}

function unavailable(path: string, cause: unknown): Unavailable {
  if (cause instanceof Unavailable) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Unavailable(`the store ${path} can't be used: ${reason}`, { cause, fix: fixFor(reason, path) });
}

function fixFor(reason: string, path: string): string {
  if (/locked|busy/.test(reason)) return "Another control plane of this mesh is running; stop it with `lateen down`.";
  if (/full|disk I\/O/.test(reason)) return "Free some space on that file system; the next write works again by itself.";
  if (/malformed|not a database|integrity|holds no resource/.test(reason)) {
    return `Remove the damaged file (rm "${path}" "${path}-wal") and apply your manifests again.`;
  }
  return "Check that the folder exists and can be written.";
}
