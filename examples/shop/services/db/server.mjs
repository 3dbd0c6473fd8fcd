// A real PostgreSQL for the demo, in memory: PGlite (PostgreSQL compiled to WebAssembly) behind PostgreSQL's protocol on PORT (default 5432).
// initdb takes seconds, so the first start keeps an image of the fresh data folder in SNAPSHOT_DIR, and later starts load that.
// `node server.mjs --prepare` only makes the image.
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { PGlite } from "@electric-sql/pglite";

const SNAPSHOT_DIR = process.env.SNAPSHOT_DIR ?? path.join(import.meta.dirname, ".cache");
const MAX_CONNECTIONS = 64;

/** Small files and buffers: the shop has four rows, and all of it lies in memory. */
const SMALL = { initDbStartParams: ["--wal-segsize=1"], postgresqlconf: ["shared_buffers=4MB"] };

function snapshotFile() {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite");
  const { version } = JSON.parse(readFileSync(path.join(path.dirname(entry), "../package.json"), "utf8"));
  return path.join(SNAPSHOT_DIR, `pglite-${version}.tar`);
}

function readSnapshot(file) {
  try {
    const bytes = readFileSync(file);
    // PGlite takes what isn't a tar for a gzip, and dies of it.
    return bytes.toString("latin1", 257, 262) === "ustar" ? new Blob([bytes]) : undefined;
  } catch {
    return undefined;
  }
}

// Written under another name first: two first starts at once, or a kill in the middle, leave no half image.
async function writeSnapshot(db, file) {
  const temporary = `${file}.${randomUUID()}`;
  try {
    const image = await db.dumpDataDir("none");
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(temporary, Buffer.from(await image.arrayBuffer()));
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    console.error(`no image of the fresh database kept, the next start is slow again: ${error.message}`);
  }
}

async function openDatabase() {
  const file = snapshotFile();
  const image = readSnapshot(file);
  try {
    if (image !== undefined) return await PGlite.create({ ...SMALL, loadDataDir: image });
  } catch (error) {
    console.error(`the kept image of the fresh database is of no use, making a new one: ${error.message}`);
  }
  const db = await PGlite.create(SMALL);
  await writeSnapshot(db, file);
  return db;
}

// From the first moment on: the first process of a container has no default action for SIGTERM, and nothing here needs saving.
process.once("SIGTERM", () => process.exit(0));

const db = await openDatabase();
if (process.argv.includes("--prepare")) {
  await db.close();
  process.exit(0);
}
const { PGLiteSocketServer } = await import("@electric-sql/pglite-socket");
const server = new PGLiteSocketServer({
  db,
  host: process.env.HOST ?? "0.0.0.0",
  port: Number(process.env.PORT ?? 5432),
  maxConnections: MAX_CONNECTIONS,
});
server.addEventListener("listening", (event) => console.log(`db listening on ${event.detail.port}`));
await server.start();
