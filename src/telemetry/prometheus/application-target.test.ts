import { expect, test } from "vitest";
import { applicationTargetOf } from "./application-target.ts";

const scrape = { "prometheus.io/scrape": "true" };

test.each([
  ["Istio's defaults", {}, { scheme: "http", port: 80, path: "/metrics" }],
  ["port and path", { "prometheus.io/port": "9100", "prometheus.io/path": "own" }, { scheme: "http", port: 9100, path: "/own" }],
  [
    "a query",
    { "prometheus.io/path": "/federate?match[]={job='x y'}" },
    { scheme: "http", port: 80, path: "/federate?match[]={job='x%20y'}" },
  ],
  ["a broken character", { "prometheus.io/path": "/\ud800\r\n" }, { scheme: "http", port: 80, path: "/%EF%BF%BD%0D%0A" }],
  ["TLS", { "prometheus.io/scheme": "HTTPS" }, { scheme: "https", port: 80, path: "/metrics" }],
  ["another scheme", { "prometheus.io/scheme": "unix" }, undefined],
  ["no number", { "prometheus.io/port": "http" }, undefined],
  ["no port", { "prometheus.io/port": "0" }, undefined],
  ["too large a port", { "prometheus.io/port": "70000" }, undefined],
  ["itself", { "prometheus.io/port": "15020" }, undefined],
  ["merging off", { "prometheus.istio.io/merge-metrics": "false" }, undefined],
])("%s", (_, annotations, expected) => {
  expect(applicationTargetOf({ ...scrape, ...annotations })).toEqual(expected);
});

test("who doesn't ask isn't scraped", () => {
  expect(applicationTargetOf(undefined)).toBeUndefined();
  expect(applicationTargetOf({ "prometheus.io/port": "9100" })).toBeUndefined();
  expect(applicationTargetOf({ "prometheus.io/scrape": "false" })).toBeUndefined();
});
