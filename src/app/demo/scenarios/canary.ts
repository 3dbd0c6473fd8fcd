// The canary: a good version that is promoted on evidence, then a bad one that goes back by itself.

import { releaseSpecSchema } from "../../../api/release/release.ts";
import { defaultErrorMargin } from "../../../stats/harm.ts";
import { type ReleaseReport, secondsWithDefaultMargin, thresholdChecks, thresholdCost } from "../release-report.ts";
import { shopNamespace } from "../shop.ts";
import { applyFiles, isPromoted, type Played, released, reportsOf, type Stage, untilDecided, untilStable } from "./stage.ts";

/** What version 1 and 2 fail by themselves (examples/shop: ERROR_PERCENT). */
const ordinaryErrors = 0.001;

/** v2, then v3. */
export async function playCanary(stage: Stage): Promise<Played> {
  await applyFiles(stage, "canary.yaml");
  await untilStable(stage, "v1");
  stage.say(await marginWords(stage));
  stage.say("a good version: catalog v2");
  await applyFiles(stage, "catalog-v2.yaml");
  await untilDecided(stage, "v2");
  // What v2 fails from here on it doesn't fail as a candidate.
  const visitorFailures = (await reportsOf(stage)).find(({ candidate }) => candidate === "v2")?.visitorFailures ?? 0;
  stage.say("a bad version: catalog v3 fails 5 % of its requests; from here on with the default margin");
  await applyFiles(stage, "canary-strict.yaml");
  await applyFiles(stage, "catalog-v3.yaml");
  await untilDecided(stage, "v3");
  const releases = (await reportsOf(stage)).map((report) => (report.candidate === "v2" ? { ...report, visitorFailures } : report));
  const good = releases.find(({ candidate }) => candidate === "v2");
  const bad = releases.find(({ candidate }) => candidate === "v3");
  return {
    releases,
    notes: bad === undefined ? [] : [costWords(stage, bad)],
    promises: [
      { what: "v2 was promoted", kept: good !== undefined && isPromoted(good) },
      { what: "v3 went back by itself", kept: bad?.phase === "RolledBack" },
    ],
  };
}

/** The margin that the Release states, and what the default one would take. */
async function marginWords({ client, rate }: Stage): Promise<string> {
  const object = await client.get({ kind: "Release", namespace: shopNamespace, name: released });
  const spec = releaseSpecSchema.parse(object["spec"]);
  const margin = spec.analysis.metrics.find(({ name }) => name === "errors")?.margin ?? defaultErrorMargin;
  const seconds = secondsWithDefaultMargin(spec, { requestsPerSecond: rate, errorRate: ordinaryErrors });
  const { ratio, plus } = defaultErrorMargin;
  const needed =
    seconds === undefined ? "would never be shown" : `would take about ${Math.round(seconds / 60)} min of this traffic to show`;
  return `the release tolerates ${points(margin.plus)} more errors than the stable version has; the default margin (${ratio} times as many and ${points(plus)}) ${needed}`;
}

function points(rate: number): string {
  return `${Number((100 * rate).toPrecision(2))} percentage points`;
}

/** The bad version under fixed thresholds, at what was measured of it here. */
function costWords({ rate, traffic }: Stage, { candidate, seconds, failedRequests }: ReleaseReport): string {
  const row = traffic().totalRows.find(({ service, version }) => service === released && version === candidate);
  const errorRate = row === undefined || row.requests === 0 ? 0.05 : row.failures / row.requests;
  const share = 0.1;
  const cost = thresholdCost({ requestsPerSecond: rate * share, errorRate });
  const { failedChecks } = thresholdChecks;
  return [
    `${candidate} here: back after ${seconds} s, ${failedRequests} failed requests; with a fixed threshold: ${cost.seconds / 60} min, ${cost.failedRequests} failed requests`,
    `(assumed: one check a minute, back at the ${failedChecks}th that fails, ${100 * share} % of ${rate} requests/s until then, of which ${Number((100 * errorRate).toPrecision(2))} % fail as measured)`,
  ].join("\n  ");
}
