// Products with prices and stock levels. Calls stock (needed) and rates (wanted: without it there are no euro prices and a note says why).
// v2 answers with one more field per product: `stars`.
import { getJson, passedOn, serve, thisHop } from "../lib/service.mjs";

const STOCK_URL = process.env.STOCK_URL ?? "http://stock/levels";
const RATES_URL = process.env.RATES_URL ?? "http://rates/EUR";

async function products(request) {
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
    stars: version === "v2" ? 3 + (level.inStock % 3) : undefined,
  };
}

serve("catalog", { "GET /products": products });
