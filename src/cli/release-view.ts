// How a release looks in a terminal: one line that says where it is, its steps as a tree, the verdict. Views of the API -> lines; pure.

import type { PlanReply, ReleaseStepView, ReleaseView } from "../http/release-contract.ts";
import { failedWords, timeWords } from "../release/sentences.ts";
import type { Phase } from "../release/status.ts";
import type { Colours } from "./output.ts";

const marks: Readonly<Record<ReleaseStepView["state"], string>> = { done: "✓", current: "●", next: "○", skipped: "–" };

/** The tree of one release. */
export function releaseLines(view: ReleaseView, colours: Colours, nowMs: number): readonly string[] {
  const { namespace, name, status, steps } = view;
  const versions = versionsText(status) ?? "no version yet";
  const { acknowledged, total } = status.proxies;
  const proxies = total === 0 ? "" : `   ${acknowledged}/${total} proxies`;
  const head = `${colours.bold(`${namespace}/${name}`)}  ${versions}  ${phaseText(status.phase, colours)}${proxies}`;
  const tree = steps.map((step, index) => {
    const branch = index === steps.length - 1 ? "└─" : "├─";
    return `${colours.dim(branch)} ${stepText(step, view, { colours, nowMs })}`;
  });
  const failed = status.candidate === undefined ? [] : [failedWords(status.candidate, status, status.unit)];
  const findings = (status.findings ?? []).map((finding) => `${colours.yellow("!")} ${finding}`);
  return [head, ...tree, ...(status.verdict === "" ? [] : [status.verdict]), ...failed, ...findings];
}

/** "v1 → v2"; one version where the run has made the candidate stable. */
export function versionsText({ stable, candidate }: Pick<ReleaseView["status"], "stable" | "candidate">): string | undefined {
  return candidate === undefined || candidate === stable ? stable : `${stable ?? "?"} → ${candidate}`;
}

function unitOf({ unit }: ReleaseView["status"]): string {
  return unit === "connections" ? "connection" : "request";
}

interface Shown {
  readonly colours: Colours;
  readonly nowMs: number;
}

function stepText({ step, exposure, kind, state, since }: ReleaseStepView, view: ReleaseView, { colours, nowMs }: Shown): string {
  const what = kind === "pause" ? "pause" : exposure;
  const text = `${marks[state]} ${step}  ${what}`;
  if (state === "done") return colours.green(text);
  if (state !== "current") return colours.dim(text);
  const { sharePercent, phase } = view.status;
  // By the clock it goes on without anybody.
  const isWaiting = phase === "Paused" && view.etaSeconds === undefined;
  const facts = [
    since === undefined ? "" : timeWords(Math.max(0, Math.round((nowMs - Date.parse(since)) / 1000)) * 1000),
    sharePercent === undefined ? "" : `measured ${sharePercent} %`,
    view.requestsPerSecond === undefined ? "" : `${view.requestsPerSecond} ${unitOf(view.status)}s/s`,
    view.etaSeconds === undefined || view.etaSeconds === 0 ? "" : `~${timeWords(view.etaSeconds * 1000)} to go`,
    isWaiting ? `waits for a person: lateen release resume ${view.name} -n ${view.namespace}` : "",
  ];
  return `${colours.cyan(text)}   ${facts.filter((fact) => fact !== "").join(", ")}`;
}

/** The phase with a mark, so that it can be told without colour. */
export function phaseText(phase: Phase, colours: Colours): string {
  if (phase === "Succeeded") return colours.green(`✓ ${phase}`);
  if (phase === "RolledBack" || phase === "Failed") return colours.red(`✗ ${phase}`);
  if (phase === "Paused" || phase === "Held" || phase === "Waiting") return colours.yellow(`… ${phase}`);
  return phase === "Idle" ? colours.dim(phase) : colours.cyan(`● ${phase}`);
}

/** The plan: a line per step, and what should be known before starting. */
export function planLines({ namespace, name, service, stable, candidate, plan }: PlanReply, colours: Colours): readonly string[] {
  const { traffic, steps, seconds, candidateRequests, findsFivePercent, warnings } = plan;
  const versions = `${stable ?? "no stable version yet"}${candidate === undefined ? ", no newer version yet" : ` → ${candidate}`}`;
  const head = `${colours.bold(`${namespace}/${name}`)}  service ${service}, ${versions}`;
  const { unit = "requests" } = traffic;
  const failing = `, ${percent(traffic.errorRate)} of them fail`;
  const now = `measured now: ${number(traffic.requestsPerSecond)} ${unit}/s${traffic.requestsPerSecond > 0 ? failing : ""}`;
  const rows = steps.map(({ step, exposure, kind, requestsPerMinute, leastSeconds, evidenceSeconds, foundInAMinute }) => {
    const facts = [
      requestsPerMinute > 0 ? `${number(requestsPerMinute)} ${unit}/min` : "",
      leastSeconds === undefined ? "waits for a person" : leastSeconds > 0 ? `at least ${timeWords(1000 * leastSeconds)}` : "",
      evidenceSeconds === undefined
        ? ""
        : `evidence after ${timeWords(1000 * Math.round(evidenceSeconds.median))} (95 %: ${timeWords(1000 * Math.round(evidenceSeconds.p95))})`,
      foundInAMinute === undefined ? "" : `finds ${percent(foundInAMinute)} errors within a minute`,
    ];
    const told = facts.filter((fact) => fact !== "").join(", ");
    return `  ${step}  ${kind === "pause" ? "pause" : exposure}${told === "" ? "" : `: ${told}`}`;
  });
  const whole =
    seconds === undefined
      ? "how long the whole takes can't be told"
      : `about ${timeWords(1000 * Math.round(seconds))} until promotion, ${number(candidateRequests ?? 0)} ${unit} to the new version before it`;
  const bad =
    findsFivePercent === undefined
      ? []
      : [
          `a version that fails 5 % of its ${unit} goes back after about ${timeWords(1000 * Math.round(findsFivePercent.seconds))} and ${number(findsFivePercent.candidateErrors)} failed ${unit}`,
        ];
  return [head, now, ...rows, whole, ...bad, ...warnings.map((warning) => `${colours.yellow("!")} ${warning}`)];
}

function number(value: number): string {
  return value >= 10 ? String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",") : String(Number(value.toPrecision(2)));
}

function percent(rate: number): string {
  return `${Number((100 * rate).toPrecision(2))} %`;
}
