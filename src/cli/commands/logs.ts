// `lateen logs`: what a pod's containers or the mesh's own processes wrote, or a whole workload's with its proxies' access logs in between, read from the node's log files; a pod's
// are there even while the control plane is not.

import { existsSync } from "node:fs";
import { runFiles } from "../../app/config.ts";
import { chooseLogs, type ProxyChoice, workloadLogs } from "../../app/logs/choose.ts";
import { followLogs } from "../../app/logs/follow.ts";
import { type ContainerLog, containerLogs, ownLogs, proxyContainer, readLog } from "../../app/logs/log-files.ts";
import { byTime, entriesOf, type MergedEntry } from "../../app/logs/merge.ts";
import { namedText, type PodsNamed, parseLogTarget, podNamesOf } from "../../app/logs/workload-pods.ts";
import { supervisorOf } from "../../app/run-dir.ts";
import { NotFound, Unavailable, UserError } from "../../lib/errors.ts";
import {
  type CommandContext,
  type CommandInput,
  exitCode,
  formatOption,
  type OptionValues,
  type RunCommand,
  textOption,
} from "../command.ts";
import { connect } from "../connect.ts";
import { LogView } from "../logs-view.ts";
import { countOption, durationOption } from "../option-values.ts";
import { ReaderSignal } from "../reader-gone.ts";

/** New pods of a workload are looked for so often while it is followed. */
const podsPollMs = 1000;
/** How long followed lines wait for a proxy's, which Envoy writes after half a second. */
const holdMs = 800;

export const runLogs: RunCommand = async (input, context) => {
  const { config, terminal } = context;
  const { options } = input;
  if (supervisorOf(config) === undefined) {
    throw new Unavailable(`the mesh "${config.mesh}" is not running, and logs go with it`, {
      fix: "start it with `lateen up -f <manifests>`, or name another one with --mesh",
    });
  }
  const keep = keptLines(options);
  const format = formatOption(options, ["text", "jsonl", "json"]);
  using reader = new ReaderSignal(context.signal);
  const { signal } = reader;
  const chosen = await chosenLogs(input, { ...context, signal });
  const prefix = options["prefix"] === false ? () => "" : chosen.prefix;
  // What a process of the mesh says is about a moment.
  const timestamps = options["timestamps"] === true || options["own"] === true;
  const view = new LogView({ format, prefix, aligned: chosen.isWorkload, timestamps, terminal });
  try {
    if (options["follow"] === true) {
      const logsDir = runFiles.logsDir(config.runDir);
      const wait = chosen.isMerged ? holdMs : 0;
      for await (const entries of followLogs({ logs: chosen.logs, logsDir, signal, first: keep, holdMs: wait })) view.print(entries);
    } else {
      const lines = writtenLines(chosen, { keep, previous: options["previous"] === true });
      view.print(lines);
      if (options["own"] === true && lines.length === 0) terminal.err("the mesh's own processes have nothing to tell");
    }
    view.end();
    return exitCode.ok;
  } finally {
    chosen.close();
  }
};

type Keep = (entries: readonly MergedEntry[]) => readonly MergedEntry[];

/** What is in the files now. @throws UserError when the run before is asked for and there is none. */
function writtenLines(chosen: ChosenLogs, { keep, previous }: { readonly keep: Keep; readonly previous: boolean }): readonly MergedEntry[] {
  const logs = chosen.logs();
  if (previous && !logs.some(({ path }) => existsSync(`${path}.previous`))) {
    throw new UserError(`no container of ${chosen.what} that was chosen has been restarted`, { fix: "leave out --previous" });
  }
  const entries = logs.flatMap((log) => keep(entriesOf(log, readLog(log, { previous }))));
  return chosen.isMerged ? byTime(entries) : entries;
}

interface ChosenLogs {
  /** For people. */
  readonly what: string;
  /** The logs that are meant now. */
  readonly logs: () => readonly ContainerLog[];
  readonly prefix: (log: ContainerLog) => string;
  /** Lines of several logs come together. */
  readonly isMerged: boolean;
  readonly isWorkload: boolean;
  close(): void;
}

/** A pod's own program, as kubectl does; of a workload, a service or a selector everything that its pods write. */
async function chosenLogs({ args, options }: CommandInput, context: CommandContext): Promise<ChosenLogs> {
  if (options["own"] === true) return ownChoice(args, context);
  const namespace = textOption(options, "namespace") ?? "default";
  const selector = textOption(options, "selector");
  const target = args[0] === undefined ? undefined : parseLogTarget(args[0]);
  if ((target === undefined) === (selector === undefined)) {
    throw new UserError("name either a pod, deployment/<name> or service/<name>, or a selector with -l", {
      fix: "for example `lateen logs deployment/web` or `lateen logs -l app=web`",
    });
  }
  const proxy = proxyOption(options);
  if (target?.kind === "pod") return podLogs({ namespace, pod: target.name, proxy, options }, context);
  const named: PodsNamed = target === undefined ? { kind: "selector", selector: selector ?? "" } : { kind: target.kind, name: target.name };
  return workloadChoice({ namespace, named, proxy, container: textOption(options, "container") }, { options, context });
}

/** The mesh's own processes: what ended and was started again, and what failed. */
function ownChoice(args: readonly string[], { config }: CommandContext): ChosenLogs {
  if (args.length > 0)
    throw new UserError("--own shows the mesh's own processes, which are no pod's", { fix: "leave the name or --own out" });
  const logsDir = runFiles.logsDir(config.runDir);
  return {
    what: "the mesh itself",
    logs: () => ownLogs(logsDir),
    prefix: () => "",
    isMerged: true,
    isWorkload: false,
    close: () => {},
  };
}

interface PodChoice {
  readonly namespace: string;
  readonly pod: string;
  readonly proxy: ProxyChoice;
  readonly options: OptionValues;
}

function podLogs({ namespace, pod, proxy, options }: PodChoice, { config }: CommandContext): ChosenLogs {
  const allContainers = options["allContainers"] === true;
  const container = textOption(options, "container") ?? (proxy === "only" ? proxyContainer : undefined);
  const all = containerLogs(runFiles.logsDir(config.runDir));
  const found = chooseLogs(all, { namespace, pod, container, allContainers });
  const logs = proxy === "without" ? found.filter((log) => log.container !== proxyContainer) : found;
  return {
    what: `pod ${namespace}/${pod}`,
    logs: () => logs,
    prefix: allContainers ? (log) => `[${log.container}]` : () => "",
    isMerged: logs.length > 1,
    isWorkload: false,
    close: () => {},
  };
}

interface WorkloadChoice {
  readonly namespace: string;
  readonly named: PodsNamed;
  readonly proxy: ProxyChoice;
  readonly container: string | undefined;
}

async function workloadChoice(
  { namespace, named, proxy, container }: WorkloadChoice,
  { options, context }: { readonly options: OptionValues; readonly context: CommandContext },
): Promise<ChosenLogs> {
  const client = connect(context.config, context.terminal);
  const what = namedText(named, namespace);
  const logsDir = runFiles.logsDir(context.config.runDir);
  let pods = await podNamesOf(client, namespace, named).catch((error: unknown) => {
    client.close();
    throw error;
  });
  const logs = () => workloadLogs(containerLogs(logsDir), { namespace, pods, container, proxy });
  if (options["follow"] !== true && logs().length === 0) {
    throw pods.length === 0
      ? new NotFound(`${what} has no pod`, { fix: "see `lateen status`" })
      : new NotFound(`${what} has no such log${container === undefined ? "" : ` of a container ${container}`}`, { fix: "leave out -c" });
  }
  // A control plane that is away has no new pods either. Those that are gone stay: their last lines may still be unread.
  const join = (names: readonly string[]): void => {
    pods = [...new Set([...pods, ...names])];
  };
  const timer = setInterval(() => void podNamesOf(client, namespace, named).then(join, () => {}), podsPollMs).unref();
  const close = (): void => {
    clearInterval(timer);
    client.close();
  };
  return { what, logs, prefix: ({ pod, container: name }) => `${pod}/${name}`, isMerged: true, isWorkload: true, close };
}

function proxyOption(options: OptionValues): ProxyChoice {
  if (options["proxyOnly"] === true) return "only";
  return options["proxy"] === false ? "without" : "with";
}

/** --tail and --since: which of one container's lines are shown. */
function keptLines(options: OptionValues): Keep {
  // kubectl's word for all.
  const tail = textOption(options, "tail") === "-1" ? undefined : countOption(options, "tail", { of: "lines", least: 0 });
  const sinceMs = durationOption(options, "since", "5m");
  const from = sinceMs === undefined ? "" : new Date(Date.now() - sinceMs).toISOString();
  return (entries) => {
    const newer = entries.filter(({ time }) => time >= from);
    return tail === undefined ? newer : newer.slice(Math.max(0, newer.length - tail));
  };
}
