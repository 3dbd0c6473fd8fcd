// Prometheus' text there and back: hostile values, broken lines, two sources in one, a real Envoy's.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../test/harness/eventually.ts";
import { tagsOf } from "../composite-tags.ts";
import type { Point } from "../point.ts";
import { startStatsEnvoy } from "../testing/stats-envoy.ts";
import type { Family, TextSample } from "./family.ts";
import { familiesOf, mergeFamilies } from "./merge.ts";
import { parseText, TextParser } from "./parse-text.ts";
import { formatFor, type TextFormat, writeText } from "./write-text.ts";

const written = (families: readonly Family[], format: TextFormat = "prometheus") => [...writeText(families, format)].join("");

const text = `# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a\\\\b\\"c\\n"} 1027 1395066363000
http_requests_total{code="400",} 3
# TYPE rpc_seconds histogram
rpc_seconds_bucket{le="0.5"} 1
rpc_seconds_bucket{le="+Inf"} 2
rpc_seconds_sum 1.5e+0
rpc_seconds_count 2
something_odd{} NaN
`;

test("families, types, escapes and timestamps", () => {
  const { families, broken } = parseText(text);
  expect(broken).toBe(0);
  expect(families.map(({ name, type, help, samples }) => [name, type, help, samples.length])).toEqual([
    ["http_requests_total", "counter", "Requests.", 2],
    ["rpc_seconds", "histogram", undefined, 4],
    ["something_odd", "unknown", undefined, 1],
  ]);
  expect(families[0]?.samples[0]).toEqual({
    name: "http_requests_total",
    labels: [
      ["code", "200"],
      ["path", '/a\\b"c\n'],
    ],
    value: 1027,
    timestampMs: 1_395_066_363_000,
  });
});

test("pieces that cut lines anywhere say the same as the whole", () => {
  const parser = new TextParser();
  for (const character of text) parser.push(character);
  expect(parser.end()).toEqual(parseText(text));
});

test.each([
  ["no value", "a"],
  ["no number", "a 1x"],
  ["hexadecimal", "a 0x10"],
  ["an open label", 'a{b="c 1'],
  ["a label twice", 'a{b="1",b="2"} 1'],
  ["no name", '{b="c"} 1'],
  ["HTML", "<html><body>404</body></html>"],
  ["too much", "a 1 2 3"],
  ["a long line", `a{b="${"x".repeat(70_000)}"} 1`],
])("a broken line is left out, the others stand: %s", (_, line) => {
  const { families, broken, firstBroken } = parseText(`x 1\n${line}\ny 2\n`);
  expect(families.map(({ name }) => name)).toEqual(["x", "y"]);
  expect([broken, firstBroken]).toEqual([1, line.slice(0, 200)]);
});

test("hostile amounts end: a line without end, many samples, much white space", () => {
  const parser = new TextParser({ maxSamples: 2 });
  for (let index = 0; index < 100; index += 1) parser.push("x".repeat(10_000));
  parser.push(`\na 1\n${" ".repeat(60_000)}\na{b="1"}${" ".repeat(60_000)}1\na{b="2"} 1\n`);
  expect(parser.end()).toMatchObject({ broken: 1, dropped: 1, families: [{ name: "a", samples: [{ value: 1 }, { value: 1 }] }] });
});

test("any value of a label comes back as it was, in both formats", () => {
  const hostile = fc.string({
    unit: fc.constantFrom("\\", '"', "\n", "\r", "{", "}", ",", "#", " ", "é", "💡", "\0", "n", "\u2028"),
    minLength: 1,
  });
  fc.assert(
    fc.property(hostile, hostile, fc.constantFrom<TextFormat>("prometheus", "openmetrics"), (value, help, format) => {
      const samples: readonly TextSample[] = [{ name: "m", labels: [["a", value]], value: 1 }];
      const { families, broken } = parseText(written([{ name: "m", type: "gauge", help, samples }], format));
      expect(broken).toBe(0);
      expect(families[0]?.samples).toEqual(samples);
    }),
    { seed: 11, numRuns: 300 },
  );
});

test.each([
  [undefined, "prometheus"],
  ["*/*", "prometheus"],
  ["text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "prometheus"],
  // What Prometheus 2 and 3 send.
  [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "openmetrics",
  ],
  [
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
    "openmetrics",
  ],
  ["application/openmetrics-text;version=9.0.0", "prometheus"],
  ["application/openmetrics-text;q=0, text/plain", "prometheus"],
])("Accept %s: %s", (accept, format) => {
  expect(formatFor(accept)).toBe(format);
});

describe("OpenMetrics", () => {
  const counter = (name: string, sample: string): Family => ({
    name,
    type: "counter",
    help: undefined,
    samples: [{ name: sample, labels: [], value: 1 }],
  });

  test.each([
    ["a counter's family has no _total", counter("a_total", "a_total"), "# TYPE a counter\na_total 1\n# EOF\n"],
    ["an OpenMetrics counter", counter("a", "a_total"), "# TYPE a counter\na_total 1\n# EOF\n"],
    ["Envoy's counters keep their names", counter("envoy_rq", "envoy_rq"), "# TYPE envoy_rq unknown\nenvoy_rq 1\n# EOF\n"],
  ])("%s", (_, family, expected) => {
    expect(written([family], "openmetrics")).toBe(expected);
  });

  test("an application's comes out as 0.0.4 where that is asked for", () => {
    const { families } = parseText('# TYPE a counter\n# UNIT a seconds\na_total 1 1395066363.5 # {trace_id="x"} 0.5\n# EOF\n');
    expect(written(families)).toBe("# TYPE a_total counter\na_total 1 1395066363500\n");
  });
});

test("two sources: a family and a series stand once, whoever calls it what", () => {
  const own = '# TYPE a counter\na_total{x="1"} 1\n# TYPE g gauge\ng 1\n';
  const application =
    '# TYPE a_total counter\na_total{x="1"} 9\na_total{x="2"} 2\n# TYPE g histogram\ng_bucket{le="+Inf"} 3\n# TYPE g histogram\ng_count 3\n';
  const { families, duplicates } = mergeFamilies([parseText(own).families, parseText(application).families]);
  expect(duplicates).toBe(1);
  expect(written(families)).toBe(
    '# TYPE a_total counter\na_total{x="1"} 1\na_total{x="2"} 2\n# TYPE g gauge\ng 1\n# TYPE g_bucket untyped\ng_bucket{le="+Inf"} 3\n# TYPE g_count untyped\ng_count 3\n',
  );
});

test("points become families: equal series added up, histograms cumulative", () => {
  const histogram: Point = { kind: "histogram", name: "h", labels: { a: "1", empty: "" }, bounds: [0.5, 10], counts: [1, 2, 3], sum: 99 };
  const count: Point = { kind: "counter", name: "c_total", labels: { a: "1" }, value: 2 };
  expect(
    written(familiesOf([histogram, count, histogram, count], (name) => (name === "h" ? "Help." : undefined))),
  ).toBe(`# TYPE c_total counter
c_total{a="1"} 4
# HELP h Help.
# TYPE h histogram
h_bucket{a="1",le="0.5"} 2
h_bucket{a="1",le="10"} 6
h_bucket{a="1",le="+Inf"} 12
h_sum{a="1"} 198
h_count{a="1"} 12
`);
});

test("a real Envoy's text is read whole, and comes back the same", async () => {
  await using envoy = await startStatsEnvoy();
  for (let index = 0; index < 5; index += 1) await envoy.get("/status/404");
  const page = async () => parseText(await envoy.admin("/stats/prometheus"));
  const name = "envoy_istio_request_duration_milliseconds";
  await eventually(async () =>
    (await page()).families.some((family) => family.name === name && family.samples.some(({ value }) => value === 5)),
  );
  const { families, broken } = await page();
  expect(broken).toBe(0);
  const requests = families.find((family) => family.name === "envoy_istio_request_messages_total");
  expect(requests).toMatchObject({ type: "counter", samples: [{ value: 5 }] });
  expect(tagsOf(Object.fromEntries(requests?.samples[0]?.labels ?? []))).toMatchObject({
    service: "orders.shop.svc.cluster.local;orders;shop;80",
    response: "404;-;",
  });
  expect(families.find((family) => family.name === name)?.samples).toHaveLength(22);
  const again = parseText(written(mergeFamilies([families, families]).families));
  expect(again.families.map(({ samples }) => samples.length)).toEqual(families.map(({ samples }) => samples.length));
});
