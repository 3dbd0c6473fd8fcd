// Checks of a Release beyond its structure: strategy and steps, windows, metrics, who is meant. Steps are in step-checks.ts.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isDnsLabel } from "../names.ts";
import { checkAudience, checkSticky } from "./audience.ts";
import { parseCron } from "./cron.ts";
import type { FreezeWindow, Release, ReleaseMetric, ReleaseSpec, Strategy } from "./release.ts";
import { checkPreview, checkRing, checkSteps, checkVariants } from "./step-checks.ts";

/** What the mesh itself measures. */
export const builtInMetrics: readonly string[] = ["errors", "latency", "clientErrors"];

/** All findings of one Release. */
export function checkRelease({ spec }: Release): readonly Finding[] {
  const hasSticky = spec.sticky !== undefined;
  return [
    ...checkService(spec),
    ...checkStrategy(spec),
    ...checkSteps(spec),
    ...(spec.sticky === undefined ? [] : checkSticky(spec.sticky, ["spec", "sticky"])),
    ...(spec.match === undefined ? [] : checkAudience(spec.match, ["spec", "match"])),
    ...spec.rings.flatMap((ring, index) => checkRing(ring, { path: ["spec", "rings", index], hasSticky })),
    ...(spec.variants.length === 0 ? [] : checkVariants(spec.variants, { path: ["spec", "variants"], hasSticky })),
    ...(spec.preview === undefined ? [] : checkPreview(spec.preview, ["spec", "preview"])),
    ...checkMetrics(spec.analysis.metrics),
    ...checkLimits(spec.analysis),
    ...checkWindows(spec.windows),
    ...checkTimes(spec),
    ...checkWebhooks(spec.webhooks),
  ];
}

function checkService({ service }: ReleaseSpec): readonly Finding[] {
  if (isDnsLabel(service)) return [];
  const message = `\`spec.service\`: ${JSON.stringify(service.slice(0, 80))} is not the name of a Service`;
  return [{ code: "LTN0106", path: ["spec", "service"], message, fix: "Name a Service of the Release's namespace, without a domain." }];
}

type Part = "match" | "rings" | "variants" | "flag" | "preview";

const neededPart: Readonly<Partial<Record<Strategy, Part>>> = {
  darkLaunch: "match",
  graduated: "rings",
  abTest: "variants",
  featureToggle: "flag",
};

const parts: readonly Part[] = ["match", "rings", "variants", "flag", "preview"];

function checkStrategy(spec: ReleaseSpec): readonly Finding[] {
  if (spec.steps.length > 0 && spec.strategy !== undefined) {
    const message = "`spec.strategy` and `spec.steps` both say what is done";
    return [{ code: "LTN1102", path: ["spec", "strategy"], message }];
  }
  const strategy = spec.steps.length > 0 ? undefined : (spec.strategy ?? "canary");
  const needed = strategy === undefined ? undefined : neededPart[strategy];
  const isGiven = (part: Part) => (part === "rings" || part === "variants" ? spec[part].length > 0 : spec[part] !== undefined);
  const missing: readonly Finding[] =
    needed === undefined || isGiven(needed)
      ? []
      : [{ code: "LTN1103", path: ["spec", needed], message: `strategy ${strategy} needs \`spec.${needed}\``, fix: `Add spec.${needed}.` }];
  const isUsed = (part: Part) => part === needed || (part === "preview" && strategy === "blueGreen");
  const unused = parts.filter((part) => isGiven(part) && !isUsed(part));
  return [
    ...missing,
    ...unused.map((part): Finding => {
      const who = strategy === undefined ? "written steps don't read it" : `strategy ${strategy} doesn't read it`;
      return { code: "LTN0307", path: ["spec", part], message: `\`spec.${part}\` has no effect: ${who}` };
    }),
  ];
}

function checkMetrics(metrics: readonly ReleaseMetric[]): readonly Finding[] {
  return metrics.flatMap((metric, index) => {
    const path = ["spec", "analysis", "metrics", index];
    const isBuiltIn = builtInMetrics.includes(metric.name);
    const finding = (message: string, fix: string): Finding => ({
      code: "LTN1107",
      path,
      message: `\`${printPath(path)}\`: ${message}`,
      fix,
    });
    if (metrics.findIndex(({ name }) => name === metric.name) < index)
      return [finding(`metric ${metric.name} stands here twice`, "Remove one of the two.")];
    if (isBuiltIn && (metric.query !== undefined || metric.provider !== undefined))
      return [finding(`${metric.name} is measured by the mesh and takes no query`, "Remove query and provider, or use another name.")];
    if (!isBuiltIn && (metric.query === undefined || metric.provider === undefined))
      return [finding(`${metric.name} is not measured by the mesh`, `Add query and provider, or use one of ${builtInMetrics.join(", ")}.`)];
    const missing = isBuiltIn ? undefined : providerProblem(metric);
    if (missing !== undefined) return [finding(...missing)];
    if (metric.margin !== undefined && metric.margin.ratio <= 1 && metric.margin.plus <= 0)
      return [finding("without a margin any difference is found at high traffic", "Set margin.ratio above 1, or margin.plus above 0.")];
    return [];
  });
}

/** What is wrong with a metric's provider, and what to do. */
function providerProblem({ provider, query = "", total, address }: ReleaseMetric): readonly [string, string] | undefined {
  if (provider === "webhook") {
    if (!isCallable(query)) return ["a webhook's query is an http or https address without a password", "Correct query."];
    return total === undefined && address === undefined ? undefined : ["a webhook takes neither address nor total", "Remove them."];
  }
  if (query.trim() === "" || total === undefined || total.trim() === "")
    return ["prometheus needs query (what is counted) and total (what was tried)", "Add both, as counters with the version as a label."];
  if (address === undefined || isCallable(address)) return undefined;
  return ["address is no http or https address without a password", "Write for example http://127.0.0.1:9090."];
}

/** Whether it is an address that may be called. */
function isCallable(text: string): boolean {
  if (text.length > 2048 || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === "http:" || protocol === "https:") && username === "" && password === "";
}

const mostWebhooks = 10;

function checkWebhooks(webhooks: ReleaseSpec["webhooks"]): readonly Finding[] {
  const path = ["spec", "webhooks"];
  const tooMany: readonly Finding[] =
    webhooks.length <= mostWebhooks ? [] : [{ code: "LTN1112", path, message: `\`spec.webhooks\` are more than ${mostWebhooks}` }];
  return [
    ...tooMany,
    ...webhooks.flatMap(({ url }, index): readonly Finding[] => {
      const at = [...path, index, "url"];
      if (webhooks.findIndex((other) => other.url === url) < index)
        return [{ code: "LTN1112", path: at, message: `\`${printPath(at)}\` stands here twice`, fix: "Put all reasons into one." }];
      if (isCallable(url)) return [];
      return [{ code: "LTN1112", path: at, message: `\`${printPath(at)}\` is no http or https address without a password` }];
    }),
  ];
}

function checkLimits({ limits, metrics }: ReleaseSpec["analysis"]): readonly Finding[] {
  const known = [...builtInMetrics.filter((name) => name !== "latency"), ...metrics.map(({ name }) => name)];
  return limits.flatMap(({ name }, index): readonly Finding[] => {
    if (known.includes(name) && name !== "latency") return [];
    const path = ["spec", "analysis", "limits", index, "name"];
    const message = `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} is no rate that is measured`;
    return [{ code: "LTN1107", path, message, fix: `Use one of ${[...new Set(known)].filter((one) => one !== "latency").join(", ")}.` }];
  });
}

function checkWindows({ deny, timezone }: ReleaseSpec["windows"]): readonly Finding[] {
  const zone: readonly Finding[] = isTimezone(timezone)
    ? []
    : [
        {
          code: "LTN1106",
          path: ["spec", "windows", "timezone"],
          message: `\`spec.windows.timezone\`: ${JSON.stringify(timezone.slice(0, 80))} is no timezone`,
          fix: 'Use an IANA name, for example "Europe/Berlin".',
        },
      ];
  return [...zone, ...deny.flatMap((window, index) => checkWindow(window, ["spec", "windows", "deny", index]))];
}

const longestWindowMs = 31 * 24 * 3_600_000;

function checkWindow(window: FreezeWindow, path: FieldPath): readonly Finding[] {
  if (parseCron(window.cron) === undefined) {
    const message = `\`${printPath([...path, "cron"])}\`: ${JSON.stringify(window.cron.slice(0, 80))} is no cron time that ever comes`;
    return [{ code: "LTN1106", path: [...path, "cron"], message }];
  }
  if (window.for >= 60_000 && window.for <= longestWindowMs) return [];
  const message = `\`${printPath([...path, "for"])}\` must be between 1m and 744h (31 days)`;
  return [{ code: "LTN1106", path: [...path, "for"], message, fix: "Write a time between 1m and 744h." }];
}

/** Asking Intl takes a while, and a Release is read again with each change of its status. There are some hundred names. */
const knownTimezones = new Set<string>();

function isTimezone(name: string): boolean {
  if (knownTimezones.has(name)) return true;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    knownTimezones.add(name);
    return true;
  } catch {
    // RangeError is how Intl says no.
    return false;
  }
}

function checkTimes(spec: ReleaseSpec): readonly Finding[] {
  const times = [
    { path: ["spec", "warm"], value: spec.warm, least: 0 },
    { path: ["spec", "drain"], value: spec.drain, least: 0 },
    { path: ["spec", "readyTimeout"], value: spec.readyTimeout, least: 1000 },
    { path: ["spec", "analysis", "patience"], value: spec.analysis.patience, least: 1000 },
    { path: ["spec", "analysis", "timeout"], value: spec.analysis.timeout, least: 1000 },
  ];
  return times.flatMap(({ path, value, least }): readonly Finding[] => {
    if (value >= least) return [];
    return [{ code: "LTN0211", path, message: `\`${printPath(path)}\` is too short`, fix: `Write ${least / 1000}s or more.` }];
  });
}
