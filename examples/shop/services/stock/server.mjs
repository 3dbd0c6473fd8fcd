// Stock levels from a database that speaks PostgreSQL's protocol over TCP. Makes its table and rows when they are absent.
// Connection settings are PostgreSQL's usual environment: PGHOST (default db), PGPORT, PGUSER, PGPASSWORD, PGDATABASE.
import { setTimeout as sleep } from "node:timers/promises";
import { CallError, serve, since, thisHop } from "../lib/service.mjs";

const ROWS = [
  ["teapot", 2400, 12],
  ["cup", 900, 40],
  ["kettle", 4200, 7],
  ["tray", 1500, 3],
];

// Queries carry no parameters: then each is one message (PostgreSQL's simple protocol), and the demo's embedded database, which
// serves all connections from one backend, can't mix up two clients' unnamed statements.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS stock (name text PRIMARY KEY, price_usd_cents integer NOT NULL, in_stock integer NOT NULL);
  INSERT INTO stock VALUES ${ROWS.map(([name, price, count]) => `('${name}', ${price}, ${count})`).join(", ")} ON CONFLICT DO NOTHING`;
const LEVELS = `SELECT name, price_usd_cents AS "priceUsdCents", in_stock AS "inStock" FROM stock ORDER BY name`;

const RETRY_MS = 200;
const WAIT_MS = 3000;
const UNDEFINED_TABLE = "42P01";

// The driver is loaded while the server already listens, so that the pod is up at once.
async function connect() {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    host: process.env.PGHOST ?? "db",
    user: process.env.PGUSER ?? "postgres",
    database: process.env.PGDATABASE ?? "postgres",
    max: 4,
    connectionTimeoutMillis: 2000,
    query_timeout: 3000,
    idleTimeoutMillis: 0,
  });
  pool.on("error", (error) => console.error(`a connection to the database was lost: ${error.message}`));
  return pool;
}

/** Makes the table; tries until the database is ready. `lastProblem` says why it isn't. */
async function prepare(pool) {
  for (;;) {
    try {
      await pool.query(SCHEMA);
      return;
    } catch (error) {
      lastProblem = error.message || error.code;
      await sleep(RETRY_MS);
    }
  }
}

let lastProblem = "not connected yet";
const connected = connect();
let prepared = connected.then(prepare);

/** Rows of `text`; waits a little for a database that is still starting, then 503 with the reason. */
async function query(text) {
  const pool = await connected;
  await Promise.race([prepared, sleep(WAIT_MS, undefined, { ref: false }).then(notReady)]);
  try {
    return (await pool.query(text)).rows;
  } catch (error) {
    // An in-memory database that was restarted is empty again.
    if (error.code === UNDEFINED_TABLE) prepared = prepare(pool);
    throw new CallError(`database: ${error.message || error.code}`, 503);
  }
}

function notReady() {
  throw new CallError(`database: not ready: ${lastProblem}`, 503);
}

/** `dbMs` is how long the database took: it can't say so itself. */
async function levels(request) {
  const start = performance.now();
  const rows = await query(LEVELS);
  const dbMs = since(start);
  return { levels: rows, hops: [{ ...thisHop("stock", request), dbMs }] };
}

serve("stock", { "GET /levels": levels }, { onClose: async () => (await connected).end() });
