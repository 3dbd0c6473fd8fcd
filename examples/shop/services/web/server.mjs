// The shop's front page: HTML at /, the same as JSON at /api/shop. Calls catalog; shows the page without euro prices when rates is down.
// The answer names the version of every service that took part (`hops`, header `x-shop-hops`), so that a client can count them.
import { readFileSync } from "node:fs";
import { getJson, passedOn, serve, thisHop } from "../lib/service.mjs";
import { pageOf } from "./page.mjs";

const CATALOG_URL = process.env.CATALOG_URL ?? "http://catalog/products";
const GREETING = process.env.GREETING ?? "Welcome";
const THEME_FILE = process.env.THEME_FILE ?? "/etc/shop/theme.json";

async function shop(request) {
  const catalog = await getJson("catalog", CATALOG_URL, { headers: passedOn(request.headers) });
  const hops = [thisHop("web", request), ...catalog.hops];
  const { products, rate, notes } = catalog;
  return { greeting: GREETING, tester: request.headers["x-shop-tester"] === "yes", products, rate, notes, hops };
}

/** `web=v1,catalog=v2,…`: one header is cheaper to count than a body. */
const hopsHeader = (hops) => ({ "x-shop-hops": hops.map((hop) => `${hop.service}=${hop.version}`).join(",") });

// Read for each page: a ConfigMap mounted as a file changes in place.
function theme() {
  try {
    return JSON.parse(readFileSync(THEME_FILE, "utf8"));
  } catch {
    return {};
  }
}

serve("web", {
  "GET /api/shop": async (request) => {
    const answer = await shop(request);
    return { json: answer, headers: hopsHeader(answer.hops) };
  },
  "GET /": async (request) => {
    const answer = await shop(request);
    return { type: "text/html; charset=utf-8", body: pageOf(answer, theme()), headers: hopsHeader(answer.hops) };
  },
});
