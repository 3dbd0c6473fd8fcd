// A running shop, its visitors and a scenario side by side: visitors come from the first moment on, the scenario begins with the first answer, and each
// ends when the other must. In: the mesh and the options. Out: what visitors met, and what came of the scenario.

import { runTraffic, type TrafficView } from "../app/demo/run-traffic.ts";
import { playScenario, type ScenarioName, scenarios, visitorHeaders } from "../app/demo/scenarios/play.ts";
import { type Played, released } from "../app/demo/scenarios/stage.ts";
import type { DemoMesh } from "../app/demo/start-demo.ts";
import { UserVersions } from "../app/demo/users.ts";
import type { ReleaseView } from "../http/release-contract.ts";
import { MeshError } from "../lib/errors.ts";
import type { CommandContext } from "./command.ts";
import { playedLines, ReleaseNews } from "./demo-release-view.ts";
import { demoTable, secondLine, totalLine } from "./demo-view.ts";
import { folded, LivePlace } from "./live-place.ts";
import { releaseLines } from "./release-view.ts";

const shownFailures = 10;

export interface DemoOptions {
  readonly durationMs: number | undefined;
  readonly rate: number;
  readonly port: number | undefined;
  readonly isJson: boolean;
  /** Undefined: the canary, and then the shop goes on. */
  readonly scenario: ScenarioName | undefined;
}

export interface DemoEnd {
  readonly last: TrafficView;
  /** Undefined when the time was over before the scenario was. */
  readonly played: Played | undefined;
  /** From the command's start to the first answer. */
  readonly startSeconds: number | undefined;
}

/** Runs until the scenario is over, the time is over, or the signal aborts. @throws MeshError when the node ended or the scenario can't go on. */
export async function runDemoMesh(mesh: DemoMesh, options: DemoOptions, context: CommandContext): Promise<DemoEnd> {
  const name = options.scenario ?? "canary";
  const screen = new Screen(options, context);
  const [nodeEnded, played] = [new AbortController(), new AbortController()];
  void mesh.started.supervisor.nodeExited.then((how) => nodeEnded.abort(how));
  const outside = AbortSignal.any([context.signal, nodeEnded.signal]);
  const visitors = startVisitors(mesh, options, {
    name,
    screen,
    commandStart: context.commandStart,
    signal: AbortSignal.any([outside, played.signal]),
  });
  const play = async (): Promise<Played | undefined> => {
    const signal = AbortSignal.any([outside, visitors.ended]);
    const traffic = await visitors.firstAnswer;
    if (traffic === undefined) return undefined;
    screen.say(scenarios[name].summary);
    const { client } = mesh.started;
    const stage = { client, rate: options.rate, signal, traffic, users: visitors.users, say: screen.say, onRelease: screen.onRelease };
    try {
      const result = await playScenario(name, stage);
      screen.onPlayed(result, traffic());
      return result;
    } catch (error) {
      if (signal.aborted) return undefined;
      played.abort();
      throw error;
    } finally {
      if (options.scenario !== undefined) played.abort();
    }
  };
  const [visited, playing] = await Promise.allSettled([visitors.visited, play()]);
  if (nodeEnded.signal.aborted && !context.signal.aborted) {
    throw new MeshError("internal", `the node process ended (${String(nodeEnded.signal.reason)}), and every pod with it`, {
      fix: "start the demo again; LATEEN_LOG=debug shows more",
    });
  }
  if (visited.status === "rejected") throw visited.reason;
  if (playing.status === "rejected") throw playing.reason;
  return { last: visited.value, played: playing.value, startSeconds: visitors.startSeconds() };
}

interface Visitors {
  /** Who was served by which version. */
  readonly users: UserVersions;
  /** What visitors meet, as soon as one was answered; undefined when they ended before. */
  readonly firstAnswer: Promise<(() => TrafficView) | undefined>;
  /** From the command's start to the first answer. */
  startSeconds(): number | undefined;
  /** What they met in the end. */
  readonly visited: Promise<TrafficView>;
  /** Aborts when they ended, however they did. */
  readonly ended: AbortSignal;
}

interface VisitorsOptions {
  readonly name: ScenarioName;
  readonly screen: Screen;
  readonly commandStart: number;
  readonly signal: AbortSignal;
}

/** Sends visitors until their time is over or the signal aborts. */
function startVisitors(mesh: DemoMesh, { rate, durationMs }: DemoOptions, options: VisitorsOptions): Visitors {
  const { name, screen, commandStart, signal } = options;
  const users = new UserVersions(released);
  const headersOf = visitorHeaders(name);
  const ended = new AbortController();
  const firstAnswer = Promise.withResolvers<(() => TrafficView) | undefined>();
  let traffic: (() => TrafficView) | undefined;
  let startSeconds: number | undefined;
  const visited = runTraffic({
    client: mesh.started.client,
    port: mesh.port,
    rate,
    durationMs,
    signal,
    headersOf: (index) => {
      users.sent(index);
      return headersOf(index);
    },
    onStart: (view) => {
      traffic = view;
    },
    onHops: (hops, index) => users.record(hops, index),
    onView: (view) => screen.onView(view),
    onFailure: (line) => screen.onFailure(line),
    onFirstAnswer: () => {
      startSeconds = (performance.timeOrigin + performance.now() - commandStart) / 1000;
      firstAnswer.resolve(traffic);
    },
  }).finally(() => {
    ended.abort();
    firstAnswer.resolve(undefined);
  });
  return { users, firstAnswer: firstAnswer.promise, startSeconds: () => startSeconds, visited, ended: ended.signal };
}

/** The release as a tree above the table, in place, on a terminal; else every decision and one line per second on stderr. */
class Screen {
  readonly #context: CommandContext;
  readonly #isScenario: boolean;
  readonly #isJson: boolean;
  readonly #place: LivePlace | undefined;
  readonly #news = new ReleaseNews();
  readonly #failures: string[] = [];
  #release: ReleaseView | undefined;
  #view: TrafficView | undefined;

  constructor({ isJson, scenario }: DemoOptions, context: CommandContext) {
    this.#context = context;
    this.#isScenario = scenario !== undefined;
    this.#isJson = isJson;
    this.#place = context.terminal.isTty && !isJson ? new LivePlace(context.terminal) : undefined;
  }

  readonly say = (line: string): void => {
    const { terminal } = this.#context;
    this.#place?.leave();
    terminal.err(`\n${terminal.colours.bold(line)}`);
  };

  readonly onRelease = (view: ReleaseView): void => {
    this.#release = view;
    if (this.#place !== undefined) {
      this.#draw();
      return;
    }
    const { terminal } = this.#context;
    for (const line of this.#news.linesOf(view)) terminal.err(line);
  };

  onView(view: TrafficView): void {
    this.#view = view;
    if (this.#place !== undefined) {
      this.#draw();
      return;
    }
    const { terminal } = this.#context;
    terminal.err(terminal.colours.dim(secondLine(view)));
  }

  onFailure(line: string): void {
    const { terminal } = this.#context;
    if (this.#failures.length >= shownFailures && this.#place === undefined) return;
    this.#failures.push(line);
    if (this.#failures.length > shownFailures) this.#failures.shift();
    if (this.#place === undefined) terminal.err(`${terminal.colours.red("failed:")} ${line}`);
  }

  /** The summary is a result; what follows is the shop's own. */
  onPlayed(played: Played, view: TrafficView): void {
    const { terminal } = this.#context;
    this.#release = undefined;
    this.#place?.leave();
    const print = this.#isJson ? terminal.err : terminal.out;
    print("");
    for (const line of playedLines(played, view, terminal.colours)) print(line);
    print("");
    if (!this.#isScenario) terminal.err("the shop goes on with its visitors");
  }

  #draw(): void {
    const { colours, columns } = this.#context.terminal;
    const release = this.#release === undefined ? [] : [...releaseLines(this.#release, colours, Date.now()), ""];
    const tree = release.flatMap((line) => folded(line, columns - 1));
    const view = this.#view;
    const below = this.#failures.length === 0 ? [] : [`${colours.red("failed:")} ${this.#failures.at(-1)}`];
    const table =
      view === undefined
        ? []
        : [
            colours.dim(`${totalLine(view)}; below, the last ${Math.max(1, view.window.seconds).toFixed(0)} s`),
            demoTable(view.windowRows, colours),
          ];
    this.#place?.show([...tree, ...table, ...below].join("\n"));
  }
}
