// Exchange rates from a remote API outside the mesh, over TLS that this program speaks itself. Nothing is cached and connections
// live shortly, so cutting the remote API shows within a second or two: 502 and the reason.
// RATES_CA_FILE: a PEM file of the authority to trust besides the usual ones; it may appear after this program has started.
import { existsSync, readFileSync } from "node:fs";
import https from "node:https";
import { CallError, getJson, passedOn, serve, thisHop } from "../lib/service.mjs";

const REMOTE_URL = process.env.REMOTE_URL ?? "https://api.rates.example/latest";
const CA_FILE = process.env.RATES_CA_FILE;
const TIMEOUT_MS = Number(process.env.REMOTE_TIMEOUT_MS ?? 2000);

// A proxy leaves an open connection where it is when its routes change. So idle ones are closed soon, and the API closes busy ones.
const CONNECTIONS = { keepAlive: true, timeout: 1000 };

let trust = { ca: undefined, agent: new https.Agent(CONNECTIONS) };

// An agent, with its connections, lasts as long as the file's text stays the same.
function trusted() {
  if (CA_FILE === undefined || !existsSync(CA_FILE)) return trust;
  const ca = readFileSync(CA_FILE, "utf8");
  if (ca !== trust.ca) trust = { ca, agent: new https.Agent({ ...CONNECTIONS, ca }) };
  return trust;
}

async function euro(request) {
  const latest = await getJson("remote rates API", REMOTE_URL, {
    request: https.request,
    ...trusted(),
    timeoutMs: TIMEOUT_MS,
    headers: passedOn(request.headers),
  });
  const rate = latest.rates?.EUR;
  if (typeof rate !== "number") throw new CallError("remote rates API: no rate for EUR in its answer");
  return { currency: "EUR", base: latest.base, rate, hops: [thisHop("rates", request)] };
}

serve("rates", { "GET /EUR": euro });
