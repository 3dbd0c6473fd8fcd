// Stock levels from a database that speaks PostgreSQL's protocol over TCP. Makes its table and rows when they are absent.
// Connection settings are PostgreSQL's usual environment: PGHOST (default db), PGPORT, PGUSER, PGPASSWORD, PGDATABASE.
import { CallError, serve, thisHop } from "../lib/service.mjs";

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

let prepared;

// The driver is loaded after the server listens, so that the pod is up at once.
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

const connected = connect();

/** Makes the table once; tried again by the next request while the database isn't ready. */
function prepare() {
  prepared ??= connected
    .then((pool) => pool.query(SCHEMA))
    .catch((error) => {
      prepared = undefined;
      throw error;
    });
  return prepared;
}

async function query(text) {
  try {
    await prepare();
    const pool = await connected;
    return (await pool.query(text)).rows;
  } catch (error) {
    throw new CallError(`database: ${error.message || error.code}`, 503);
  }
}

serve(
  "stock",
  {
    "GET /levels": async () => ({ levels: await query(LEVELS), hops: [thisHop("stock")] }),
    // Not ready before the table is there; /healthz says only that the process lives.
    "GET /ready": async () => ({ ready: (await query("SELECT 1")).length === 1 }),
  },
  { onClose: async () => (await connected).end() },
);
