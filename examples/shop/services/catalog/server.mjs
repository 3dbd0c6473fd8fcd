// Products with prices and stock levels. Calls stock (needed) and rates (wanted: without it there are no euro prices and a note says why).
// From v2 on it answers with one more field per product: `stars`. It can be told to fail or to be slow now and then.
import { setTimeout as pause } from "node:timers/promises";
import { CallError, getJson, passedOn, serve, thisHop } from "../lib/service.mjs";

const STOCK_URL = process.env.STOCK_URL ?? "http://stock/levels";
const RATES_URL = process.env.RATES_URL ?? "http://rates/EUR";

const VERSION = process.env.VERSION ?? "v1";
/** Percent of calls that fail with 500, by chance. */
const ERROR_PERCENT = Number(process.env.ERROR_PERCENT ?? 0);
/** Percent of calls that take SLOW_FACTOR times as long, by chance. */
const SLOW_PERCENT = Number(process.env.SLOW_PERCENT ?? 0);
const SLOW_FACTOR = Number(process.env.SLOW_FACTOR ?? 10);

const happens = (percent) => Math.random() * 100 < percent;

async function products(request) {
  if (happens(ERROR_PERCENT)) throw new CallError(`catalog ${VERSION}: injected error (ERROR_PERCENT=${ERROR_PERCENT})`, 500);
  const answer = await collected(request);
  if (happens(SLOW_PERCENT)) await pause(answer.hops[0].ms * (SLOW_FACTOR - 1));
  return answer;
}

async function collected(request) {
  const headers = passedOn(request.headers);
  const ratesAnswer = getJson("rates", RATES_URL, { headers }).catch((error) => ({ error: error.message, hops: [] }));
  const stock = await getJson("stock", STOCK_URL, { headers });
  const rates = await ratesAnswer;
  const hop = thisHop("catalog", request);
  return {
    products: stock.levels.map((level) => productOf(level, rates.rate, hop.version)),
    rate: rates.error === undefined ? { currency: rates.currency, rate: rates.rate } : null,
    notes: rates.error === undefined ? [] : [`rates unavailable: ${rates.error}`],
    hops: [hop, ...stock.hops, ...rates.hops],
  };
}

function productOf(level, rate, version) {
  return {
    ...level,
    priceEurCents: rate === undefined ? undefined : Math.round(level.priceUsdCents * rate),
    stars: version !== "v1" ? 3 + (level.inStock % 3) : undefined,
  };
}

serve("catalog", { "GET /products": products });
