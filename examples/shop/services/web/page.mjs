// The shop's answer and a theme -> the HTML page. Pure; every value is escaped.

const escaped = (value) => String(value).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
const colour = (value, fallback) => (/^#[0-9a-f]{6}$/i.test(value) ? value : fallback);
const money = (cents, sign) => (cents === undefined ? "" : `${sign}${(cents / 100).toFixed(2)}`);
const stars = (count) => (count === undefined ? "" : "★".repeat(count));

function rowOf(product) {
  const cells = [
    product.name,
    money(product.priceUsdCents, "$"),
    money(product.priceEurCents, "€"),
    `${product.inStock} left`,
    stars(product.stars),
  ];
  return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
}

/** The HTML page of one shop answer; v2 of web has a banner. */
export function pageOf(shop, theme) {
  const web = shop.hops[0];
  const accent = colour(theme.accent, "#336699");
  const banner = web.version === "v2" ? `<p class="banner">New: the second edition of this page</p>` : "";
  const notes = shop.notes.map((note) => `<p class="note">${escaped(note)}</p>`).join("");
  const hops = shop.hops.map((hop) => `<li>${escaped(hop.service)} <b>${escaped(hop.version)}</b> ${escaped(hop.pod)}</li>`).join("");
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Shop</title>
<style>body{font:16px/1.5 sans-serif;margin:2em auto;max-width:44em}h1,b{color:${accent}}td{padding:.2em 1em .2em 0}
.banner{background:${accent};color:#fff;padding:.5em 1em}.note{color:#a33}</style>
${banner}<h1>${escaped(shop.greeting)}</h1>${notes}
<table>${shop.products.map(rowOf).join("")}</table>
<h2>Served by</h2><ul>${hops}</ul></html>
`;
}
