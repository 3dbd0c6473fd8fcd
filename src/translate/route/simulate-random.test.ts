// Random routes and random requests: the simulation must choose what a real Envoy chooses.

import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { startRouteEnvoy } from "../../../test/harness/route-envoy.ts";
import { routeWorld } from "../../../test/harness/route-world.ts";
import { simulate } from "../../envoy/simulate.ts";
import { routeConfiguration } from "./route-configuration.ts";
import { defaultRouteSettings } from "./settings.ts";

const seed = 20_261_121;
const hostCount = 60;
const requestsPerHost = 12;

const value = fc.constantFrom("", "a", "ab", "b", "A");
const headerMatch = fc.oneof(
  value.map((exact) => ({ exact })),
  value.map((prefix) => ({ prefix })),
  fc.constantFrom("a", "a|b", "a*", ".*", "*", "[a-z]+").map((regex) => ({ regex })),
  fc.constant({}),
);
const headerMatches = fc.dictionary(fc.constantFrom("x", "y", "X-Z"), headerMatch, { maxKeys: 2 });
const path = fc.constantFrom("/", "/a", "/a/", "/a/b", "/A", "/ab", "/b", "//a", "/a%20b");
const uri = fc.oneof(
  path.map((exact) => ({ exact })),
  path.map((prefix) => ({ prefix })),
  fc.constantFrom("/a.*", "/[ab]+", "/(a|b)/?", ".*", "(?i)/A").map((regex) => ({ regex })),
);
const conditions = fc.record({
  uri,
  caseless: fc.tuple(uri, fc.constant(true)),
  headers: headerMatches,
  withoutHeaders: headerMatches,
  queryParams: fc.dictionary(fc.constantFrom("q", "r"), headerMatch, { maxKeys: 2 }),
  method: fc.constantFrom({ exact: "GET" }, { regex: "PUT|POST" }, { prefix: "P" }),
  authority: fc.constantFrom({ prefix: "h" }, { regex: ".*:81" }, { exact: "none" }),
});
const fields = ["uri", "caseless", "headers", "withoutHeaders", "queryParams", "method", "authority"] as const;
/** One or two conditions: with more, hardly any request would match. */
const match = fc.tuple(conditions, fc.subarray([...fields], { minLength: 1, maxLength: 2 })).map(([all, chosen]) => {
  const entries = chosen.filter((field) => field !== "caseless").map((field) => [field, all[field]] as const);
  const caseless = chosen.includes("caseless") ? { uri: all.caseless[0], ignoreUriCase: true } : {};
  return { ...Object.fromEntries(entries), ...caseless };
});
const routes = fc.array(fc.record({ match: fc.array(match, { minLength: 1, maxLength: 2 }) }), { minLength: 1, maxLength: 5 });

const query = fc.constantFrom("", "?q=a", "?q", "?q=&r=ab", "?r=b&q=a&q=b", "?Q=a", "?q=a%20", "?");
const request = fc.record({
  path: fc.tuple(path, query).map((parts) => parts.join("")),
  method: fc.constantFrom("GET", "PUT", "DELETE"),
  headers: fc.dictionary(fc.constantFrom("x", "y", "x-z"), value, { maxKeys: 3 }),
  port: fc.constantFrom("", ":80", ":81"),
});

test("a real Envoy and the simulation agree", async () => {
  const documents = fc.sample(routes, { seed, numRuns: hostCount }).map((each, index) => {
    const http = each.map(({ match: blocks }, place) => ({
      match: blocks,
      directResponse: { status: 200, body: { string: String(place) } },
    }));
    const object = {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: `h${index}` },
      spec: { hosts: [`h${index}.test`], http },
    };
    return stringify(object, { aliasDuplicateObjects: false });
  });
  const { table, client } = routeWorld(documents.join("---\n"));
  const configuration = routeConfiguration(table, client, defaultRouteSettings);
  await using envoy = await startRouteEnvoy(configuration, []);
  let matched = 0;
  for (const [index, { port, ...asked }] of fc.sample(request, { seed, numRuns: hostCount * requestsPerHost }).entries()) {
    const sent = { host: `h${index % hostCount}.test${port}`, ...asked };
    const response = await envoy.send(sent);
    const expected = simulate(configuration, sent)?.route?.directResponse?.body?.inlineString;
    expect([sent, response.status === 404 ? undefined : response.body]).toEqual([sent, expected]);
    if (expected !== undefined) matched += 1;
  }
  // Neither everything nor nothing: the draw says something.
  expect(matched).toBeGreaterThan(hostCount);
  expect(matched).toBeLessThan(hostCount * requestsPerHost - hostCount);
});
