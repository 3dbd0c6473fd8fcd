// Exchange rates from a remote API outside the mesh. It is called over plain HTTP: the sidecar makes TLS of it. Nothing is cached, so cutting the
// remote API shows at once: 502 and the reason.
import { CallError, getJson, passedOn, serve, thisHop } from "../lib/service.mjs";

const REMOTE_URL = process.env.REMOTE_URL ?? "http://api.rates.example/latest";
const TIMEOUT_MS = Number(process.env.REMOTE_TIMEOUT_MS ?? 2000);

async function euro(request) {
  const latest = await getJson("remote rates API", REMOTE_URL, {
    timeoutMs: TIMEOUT_MS,
    headers: passedOn(request.headers),
  });
  const rate = latest.rates?.EUR;
  if (typeof rate !== "number") throw new CallError("remote rates API: no rate for EUR in its answer");
  return { currency: "EUR", base: latest.base, rate, hops: [thisHop("rates", request)] };
}

serve("rates", { "GET /EUR": euro });
