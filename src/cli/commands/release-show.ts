// `lateen release list|get|status|why|history`: where releases are, and why.

import type { ApiClient } from "../../http/client-types.ts";
import type { ReleaseView } from "../../http/release-contract.ts";
import { parseDuration } from "../../lib/duration.ts";
import { NotFound, UsageError } from "../../lib/errors.ts";
import type { RawResource } from "../../store/store.ts";
import type { CommandContext, OptionValues, RunCommand } from "../command.ts";
import { exitCode, formatOption, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { drawLive } from "../live.ts";
import { table } from "../output.ts";
import { phaseText, releaseLines, versionsText } from "../release-view.ts";

const pollMs = 500;

export const runReleaseList: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json", "name"]);
  const client = connect(config, terminal);
  try {
    const namespace = options["allNamespaces"] === true ? undefined : (textOption(options, "namespace") ?? "default");
    const all = (await client.releases.list()).filter((view) => namespace === undefined || view.namespace === namespace);
    if (format === "json") terminal.out(JSON.stringify({ releases: all }, null, 2));
    else if (format === "name") for (const { name } of all) terminal.out(`release/${name}`);
    else if (all.length === 0) {
      terminal.out(`no releases${namespace === undefined ? "" : ` in namespace ${namespace} (-A shows all)`}`);
      terminal.out("`lateen release start <service>` makes one");
    } else {
      const rows = all.map(({ namespace: place, name, service, status }) => [
        place,
        name,
        service,
        phaseText(status.phase, terminal.colours),
        status.steps === 0 ? "-" : `${status.step}/${status.steps}`,
        `${status.weightPercent} %`,
        versionsText(status) ?? "-",
      ]);
      terminal.out(table(["NAMESPACE", "NAME", "SERVICE", "PHASE", "STEP", "WEIGHT", "VERSIONS"], rows));
    }
    return exitCode.ok;
  } finally {
    client.close();
  }
};

export const runReleaseGet: RunCommand = async ({ args: [name = ""], options }, context) => {
  const { config, terminal, signal } = context;
  const format = formatOption(options, ["tree", "json"]);
  const namespace = textOption(options, "namespace") ?? "default";
  const client = connect(config, terminal);
  try {
    if (format === "json") {
      terminal.out(JSON.stringify(await client.releases.get(namespace, name), null, 2));
    } else if (options["watch"] === true) {
      const draw = async () => ({
        lines: releaseLines(await client.releases.get(namespace, name), terminal.colours, Date.now()),
        isLast: false,
      });
      await drawLive(draw, { terminal, signal, everyMs: pollMs });
    } else {
      terminal.out(releaseLines(await client.releases.get(namespace, name), terminal.colours, Date.now()).join("\n"));
    }
    return exitCode.ok;
  } finally {
    client.close();
  }
};

export const runReleaseStatus: RunCommand = async ({ args: [name = ""], options }, context) => {
  const client = connect(context.config, context.terminal);
  try {
    const namespace = textOption(options, "namespace") ?? "default";
    if (options["wait"] === true) return await waitForEnd(client, { namespace, name, options, context });
    const view = await client.releases.get(namespace, name);
    printStatus(view, options, context);
    return statusCode(view);
  } finally {
    client.close();
  }
};

function printStatus(view: ReleaseView, options: OptionValues, { terminal }: Pick<CommandContext, "terminal">): void {
  if (formatOption(options, ["tree", "json"]) === "json") terminal.out(JSON.stringify(view, null, 2));
  else terminal.out(releaseLines(view, terminal.colours, Date.now()).join("\n"));
}

/** 0: promoted, or nothing under way; 70: went back; 75: a person is asked, or it is undecided. */
export function statusCode({ status: { phase } }: Pick<ReleaseView, "status">): number {
  if (phase === "RolledBack" || phase === "Failed") return exitCode.rolledBack;
  return phase === "Paused" || phase === "Held" ? exitCode.inconclusive : exitCode.ok;
}

const ends: ReadonlySet<string> = new Set(["Idle", "Succeeded", "RolledBack", "Failed", "Paused", "Held"]);

/** Promoted is good enough: the rest of the warm time changes nothing for users. */
export function isDecided({ status: { phase }, waitingInputs, outcome, story }: ReleaseView): boolean {
  if (waitingInputs > 0) return false;
  return ends.has(phase) || (phase === "Finalising" && outcome === undefined && story.some((line) => line.includes("has all traffic")));
}

interface Waiting {
  readonly namespace: string;
  readonly name: string;
  readonly options: OptionValues;
  readonly context: Pick<CommandContext, "terminal" | "signal">;
}

/** In a log: what was decided since the last look, line by line, in place of a tree that is there twice a second. */
export function storyFeed(): (view: Pick<ReleaseView, "story">) => readonly string[] {
  let before: readonly string[] = [];
  return ({ story }) => {
    // The last line counts on until the run is over.
    const lines = story.slice(0, -1);
    const isSameRun = before[0] === lines[0];
    const fresh = isSameRun ? lines.slice(before.length) : lines;
    before = lines;
    return fresh;
  };
}

/** Draws until the release is decided; its exit code. */
export async function waitForEnd(client: ApiClient, { namespace, name, options, context }: Waiting): Promise<number> {
  const { terminal, signal } = context;
  const timeoutMs = parseDuration(textOption(options, "timeout") ?? "1h");
  if (timeoutMs === undefined) throw new UsageError("--timeout is no duration", { fix: "write for example --timeout 10m" });
  const format = formatOption(options, ["tree", "json"]);
  const deadline = AbortSignal.timeout(timeoutMs);
  let last = await client.releases.get(namespace, name);
  const isDrawn = format === "tree" && terminal.isTty;
  const newLines = storyFeed();
  const draw = async () => {
    last = await client.releases.get(namespace, name);
    if (format === "tree" && !isDrawn) for (const line of newLines(last)) terminal.out(line);
    return { lines: isDrawn ? releaseLines(last, terminal.colours, Date.now()) : [], isLast: isDecided(last) };
  };
  const quiet = { ...terminal, out: () => {}, raw: () => {} };
  const isOver = await drawLive(draw, {
    terminal: isDrawn ? terminal : quiet,
    signal: AbortSignal.any([signal, deadline]),
    everyMs: pollMs,
  });
  if (!isDrawn) printStatus(last, options, context);
  if (isOver) return statusCode(last);
  if (signal.aborted) return exitCode.interrupted;
  terminal.err(`release ${namespace}/${name} is still ${last.status.phase} after ${textOption(options, "timeout") ?? "1h"}; it goes on`);
  return exitCode.timedOut;
}

export const runReleaseWhy: RunCommand = async ({ args: [name = ""], options }, { config, terminal }) => {
  const client = connect(config, terminal);
  try {
    const view = await client.releases.get(textOption(options, "namespace") ?? "default", name);
    if (formatOption(options, ["text", "json"]) === "json") {
      terminal.out(
        JSON.stringify(
          { phase: view.status.phase, verdict: view.status.verdict, findings: view.status.findings ?? [], story: view.story },
          null,
          2,
        ),
      );
      return exitCode.ok;
    }
    const obstacle = view.status.findings?.[0];
    if (view.story.length === 0)
      terminal.out(`${view.name} has had no run: ${obstacle ?? (view.status.verdict || "no newer version has appeared")}`);
    for (const line of view.story) terminal.out(line);
    return exitCode.ok;
  } finally {
    client.close();
  }
};

export const runReleaseHistory: RunCommand = async ({ args: [name = ""], options }, { config, terminal }) => {
  const namespace = textOption(options, "namespace") ?? "default";
  const client = connect(config, terminal);
  try {
    const { items } = await client.list("ReleaseRun", { namespace });
    const runs = items.filter(({ spec }) => fieldOf(spec, "release") === name).sort((a, b) => timeOf(a) - timeOf(b));
    if (runs.length === 0) await client.releases.get(namespace, name);
    if (formatOption(options, ["table", "json"]) === "json") {
      terminal.out(JSON.stringify({ runs }, null, 2));
      return exitCode.ok;
    }
    if (runs.length === 0) throw new NotFound(`release ${namespace}/${name} has had no run`);
    const rows = runs.map(({ metadata, spec, status }) => [
      metadata.name ?? "",
      `${fieldOf(spec, "stable")} → ${fieldOf(spec, "candidate")}`,
      fieldOf(status, "outcome") || fieldOf(status, "phase"),
      fieldOf(status, "startedAt"),
      fieldOf(status, "failedRequests"),
    ]);
    terminal.out(table(["RUN", "VERSIONS", "OUTCOME", "STARTED", "FAILED REQUESTS"], rows));
    return exitCode.ok;
  } finally {
    client.close();
  }
};

function fieldOf(object: unknown, field: string): string {
  if (typeof object !== "object" || object === null) return "";
  const value: unknown = Object.entries(object).find(([key]) => key === field)?.[1];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function timeOf(run: RawResource): number {
  return Date.parse(fieldOf(run["status"], "startedAt")) || 0;
}
