// What `lateen demo` says of releases: news while one runs, a tree in place on a terminal, and the summary at the end. Views and reports -> lines; pure.

import type { ReleaseReport } from "../app/demo/release-report.ts";
import { otherFailures, type TrafficView } from "../app/demo/run-traffic.ts";
import { isPromoted, type Played } from "../app/demo/scenarios/stage.ts";
import type { ReleaseView } from "../http/release-contract.ts";
import { manyWords } from "../release/sentences.ts";
import type { Colours } from "./output.ts";

/** Remembers what of each run was told, so that a log has every decision once. */
export class ReleaseNews {
  #run = "";
  #told = 0;

  /** Decisions that are new since the last call. */
  linesOf({ service, status, story }: ReleaseView): readonly string[] {
    const decisions = story.filter((line) => line.startsWith("+"));
    if (status.run !== this.#run) this.#told = 0;
    this.#run = status.run ?? "";
    const fresh = decisions.slice(this.#told);
    this.#told = Math.max(this.#told, decisions.length);
    return fresh.map((line) => `${service} ${line}`);
  }
}

/** How a scenario went. */
export function playedLines(played: Played, view: TrafficView, colours: Colours): readonly string[] {
  return [
    ...played.releases.flatMap((report) => reportLines(report, colours)),
    ...played.notes.flatMap((note) => note.split("\n")),
    visitorsLine(view),
    ...played.promises.map(({ what, kept }) => (kept ? `${colours.green("✓")} ${what}` : `${colours.red("✗ not so:")} ${what}`)),
  ];
}

function reportLines(report: ReleaseReport, colours: Colours): readonly string[] {
  const { service, candidate, stable, seconds, verdict, failedRequests, visitorFailures } = report;
  const name = colours.bold(`${service} ${candidate}`);
  const visitors = visitorFailures === 1 ? "1 visitor's request" : `${visitorFailures} visitors' requests`;
  const failed = `${manyWords(failedRequests, "request")} to ${candidate} failed, as the mesh counted; ${visitors} failed because of it`;
  const how = isPromoted(report)
    ? `${colours.green("✓")} ${name} was promoted: everybody had it after ${seconds} s`
    : report.phase === "RolledBack" || report.phase === "Failed"
      ? `${colours.red("✗")} ${name} went back: ${stable} had all requests again after ${seconds} s`
      : `${colours.yellow("…")} ${name} is ${report.phase}`;
  return [how, `  ${verdict}`, `  ${failed}`];
}

/** "visitors: 4,512 requests; 11 failed: catalog v1 4, catalog v3 7 by their own errors, 0 otherwise". */
function visitorsLine(view: TrafficView): string {
  const { requests, failures } = view.total;
  const own = [...view.injected].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([version, count]) => `${version} ${count}`);
  const causes = own.length === 0 ? "" : `${own.join(", ")} by their own errors, `;
  return `visitors: ${requests} requests, ${failures} failed${failures === 0 ? "" : `: ${causes}${otherFailures(view)} otherwise`}`;
}
