// `lateen demo`: the example shop as a mesh of its own, visitors, a release that goes well and one that goes back, and everything taken down at the end.

import type { Diagnostic } from "../../api/diagnostic.ts";
import type { ApplyResult } from "../../app/apply.ts";
import { notReadyLines } from "../../app/demo/not-ready.ts";
import { reportOf } from "../../app/demo/report.ts";
import { otherFailures } from "../../app/demo/run-traffic.ts";
import { isScenarioName, scenarioNames } from "../../app/demo/scenarios/play.ts";
import { shopHost, suggestions } from "../../app/demo/shop.ts";
import { type DemoMesh, type DemoRequest, startDemo } from "../../app/demo/start-demo.ts";
import { defaultRate, largestRate } from "../../app/demo/traffic.ts";
import { printDiagnostic } from "../../app/manifests.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UserError } from "../../lib/errors.ts";
import { type CommandContext, exitCode, formatOption, type OptionValues, type RunCommand, textOption } from "../command.ts";
import { type DemoEnd, type DemoOptions, runDemoMesh } from "../demo-run.ts";
import { demoTable, suggestionLines, totalLine } from "../demo-view.ts";
import type { Terminal } from "../output.ts";
import { printRefusals } from "./apply.ts";

const longestRunMs = 3_600_000;
const stopGraceMs = 5000;

export const runDemo: RunCommand = async (input, context) => {
  const options = demoOptions(input.options);
  const { terminal, signal } = context;
  const mesh = await started(options, context);
  // A start that was broken off may leave a half-started child of ours; it and the run directory go when this process does.
  if (mesh === undefined) process.exit(exitCode.interrupted);
  try {
    if (signal.aborted) return exitCode.interrupted;
    if (mesh.started.waiting.length > 0) return reportNotReady(mesh, terminal);
    return await visit(mesh, options, context);
  } finally {
    if (!options.isJson) terminal.err(terminal.colours.dim("taking everything down"));
    await mesh.started.supervisor.close();
  }
};

/** Undefined when Ctrl-C came first: it reaches every process of the terminal, so what fails then is no error. */
async function started(options: DemoOptions, context: CommandContext): Promise<DemoMesh | undefined> {
  const { terminal, signal } = context;
  const request = {
    mesh: context.config.isNamed ? context.config.mesh : undefined,
    port: options.port,
    env: context.env,
    cwd: context.cwd,
    signal,
    onProgress: (line: string) => terminal.err(terminal.colours.dim(line)),
    onDiagnostic: (diagnostic: Diagnostic) => terminal.err(printDiagnostic(diagnostic)),
    onApplied: ({ resources }: ApplyResult) => printRefusals(resources, context),
  } satisfies DemoRequest;
  try {
    return await Promise.race([startDemo(request), graceAfter(signal)]);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** Resolves some seconds after Ctrl-C: by then a start that could end by itself has ended. */
function graceAfter(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const wait = (): unknown => setTimeout(() => resolve(undefined), stopGraceMs).unref();
    if (signal.aborted) wait();
    else signal.addEventListener("abort", wait, { once: true });
  });
}

/** @throws UserError for what is no duration, rate or port. */
export function demoOptions(options: OptionValues): DemoOptions {
  const forText = textOption(options, "for");
  const durationMs = forText === undefined ? undefined : parseDuration(forText);
  if (forText !== undefined && (durationMs === undefined || durationMs <= 0 || durationMs > longestRunMs)) {
    throw new UserError(`--for ${forText} is not a duration of at most 1h`, { fix: "write for example --for 15s" });
  }
  const rate = Number(textOption(options, "rate") ?? defaultRate);
  if (!(rate > 0 && rate <= largestRate))
    throw new UserError(`--rate must lie between 0 and ${largestRate}`, { fix: "write for example --rate 40" });
  const portText = textOption(options, "port");
  const port = portText === undefined ? undefined : Number(portText);
  if (port !== undefined && !(/^\d+$/.test(portText ?? "") && port <= 65_535)) {
    throw new UserError(`--port ${portText} is not a port`, { fix: "write for example --port 8080; 0 is any free one" });
  }
  const scenario = textOption(options, "scenario");
  if (scenario !== undefined && !isScenarioName(scenario)) {
    throw new UserError(`--scenario: there is no scenario "${scenario}"`, { fix: `use one of ${scenarioNames.join(", ")}` });
  }
  return { durationMs, rate, port, isJson: formatOption(options, ["table", "json"]) === "json", scenario };
}

function reportNotReady({ started, config }: DemoMesh, terminal: Terminal): number {
  terminal.err(`${terminal.colours.red("error:")} the shop is not ready after a minute`);
  for (const line of notReadyLines(started.waiting, config.runDir)) terminal.err(line);
  return exitCode.failed;
}

async function visit(mesh: DemoMesh, options: DemoOptions, context: CommandContext): Promise<number> {
  introduce(mesh, options, context);
  const end = await runDemoMesh(mesh, options, context);
  finish(end, { mesh, options, terminal: context.terminal });
  const { last, played } = end;
  const isAsPromised = played?.promises.every(({ kept }) => kept) ?? true;
  if (options.durationMs === undefined && options.scenario === undefined) return exitCode.ok;
  if (context.signal.aborted) return exitCode.interrupted;
  if (options.scenario !== undefined) return played !== undefined && isAsPromised ? exitCode.ok : exitCode.failed;
  return otherFailures(last) === 0 && last.total.requests > 0 && isAsPromised ? exitCode.ok : exitCode.failed;
}

function introduce(
  { port, config, meshedSeconds }: DemoMesh,
  { durationMs, rate, isJson, scenario }: DemoOptions,
  { terminal, cwd }: CommandContext,
): void {
  const { colours } = terminal;
  terminal.err(`${colours.green("the shop is ready")}, ${meshedSeconds.toFixed(1)} s after its first pod was made`);
  const end = scenario === undefined ? "until Ctrl-C" : `for scenario ${scenario}`;
  const until = durationMs === undefined ? end : `for ${durationMs / 1000} s`;
  terminal.err(`gateway: http://127.0.0.1:${port} (host ${shopHost}); ${rate} requests per second ${until}`);
  if (isJson || durationMs !== undefined || scenario !== undefined) return;
  terminal.err(`\n${colours.bold("What to try next, in another terminal:")}`);
  for (const line of suggestionLines(suggestions({ mesh: config.mesh, port, cwd }), colours)) terminal.err(line);
  terminal.err("");
}

interface Ending {
  readonly mesh: DemoMesh;
  readonly options: DemoOptions;
  readonly terminal: Terminal;
}

function finish({ last, played, startSeconds }: DemoEnd, { mesh, options, terminal }: Ending): void {
  if (!options.isJson) {
    if (options.scenario === undefined) terminal.out(`\nin all ${totalLine(last)}\n${demoTable(last.totalRows, terminal.colours)}`);
    return;
  }
  const { meshedSeconds } = mesh;
  const report = reportOf(last.total, last.totalRows, { startSeconds, meshedSeconds });
  const { releases = [], promises = [] } = played ?? {};
  const scenario = options.scenario === undefined ? {} : { scenario: options.scenario };
  terminal.out(JSON.stringify({ ...scenario, releases, promises, ...report, otherFailures: otherFailures(last) }));
}
