// `lateen logs`: what a pod's containers wrote, read from the node's log files; they are there even while the control plane is not.

import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { runFiles } from "../../app/config.ts";
import { chooseLogs } from "../../app/logs/choose.ts";
import { type LogEntry, mergeByTime } from "../../app/logs/cri.ts";
import { podOfDeployment } from "../../app/logs/deployment-pod.ts";
import { type ContainerLog, containerLogs, LogFollower, readLog } from "../../app/logs/log-files.ts";
import { supervisorOf } from "../../app/run-dir.ts";
import { Unavailable, UserError } from "../../lib/errors.ts";
import { type CommandContext, exitCode, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Terminal } from "../output.ts";

const pollMs = 100;

export const runLogs: RunCommand = async ({ args, options }, context) => {
  const { config, terminal } = context;
  if (supervisorOf(config) === undefined) {
    throw new Unavailable(`the mesh "${config.mesh}" is not running, and logs go with it`, {
      fix: "start it with `lateen up -f <manifests>`, or name another one with --mesh",
    });
  }
  const tail = tailOf(textOption(options, "tail"));
  const namespace = textOption(options, "namespace") ?? "default";
  const pod = await podNamed(args[0] ?? "", namespace, context);
  const allContainers = options["allContainers"] === true;
  const logsDir = runFiles.logsDir(config.runDir);
  const choice = { namespace, pod, container: textOption(options, "container"), allContainers };
  const logs = chooseLogs(containerLogs(logsDir), choice);
  const print = printer(terminal, allContainers);
  if (options["follow"] === true) {
    await follow(logs, { logsDir, tail, signal: stopSignal(context.signal), print });
    return exitCode.ok;
  }
  const previous = options["previous"] === true;
  if (previous && !logs.some(({ path }) => existsSync(`${path}.previous`))) {
    throw new UserError(`no container of pod ${namespace}/${pod} that was chosen has been restarted`, { fix: "leave out --previous" });
  }
  print(tailed(new Map(logs.map((log) => [log.container, readLog(log, { previous })])), tail));
  return exitCode.ok;
};

/** A number of lines; undefined is all. */
function tailOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "-1") return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new UserError(`--tail ${text} is not a number of lines`, { fix: "write for example --tail 20" });
}

/** `pod`, `pod/name`, `deployment/name` or `deploy/name`. */
async function podNamed(name: string, namespace: string, { config, terminal }: CommandContext): Promise<string> {
  const slash = name.indexOf("/");
  const kind = slash < 0 ? "pod" : name.slice(0, slash).toLowerCase();
  const rest = name.slice(slash + 1);
  if (["pod", "pods", "po"].includes(kind)) return rest;
  if (!["deployment", "deployments", "deploy", "deployment.apps"].includes(kind)) {
    throw new UserError(`logs of a ${kind} are not known`, { fix: "name a pod, or deployment/<name>" });
  }
  const client = connect(config);
  try {
    const { chosen, count } = await podOfDeployment(client, namespace, rest);
    if (count > 1) terminal.err(`${count} pods; these are the logs of ${chosen}`);
    return chosen;
  } finally {
    client.close();
  }
}

type Print = (logs: ReadonlyMap<string, readonly LogEntry[]>) => void;

function printer(terminal: Terminal, withNames: boolean): Print {
  return (logs) => {
    for (const { container, text } of mergeByTime(logs)) terminal.out(withNames ? `[${container}] ${text}` : text);
  };
}

/** kubectl's --tail: the last lines of each container. */
function tailed(logs: ReadonlyMap<string, readonly LogEntry[]>, tail: number | undefined): ReadonlyMap<string, readonly LogEntry[]> {
  if (tail === undefined) return logs;
  return new Map([...logs].map(([container, entries]) => [container, entries.slice(Math.max(0, entries.length - tail))]));
}

interface FollowOptions {
  readonly logsDir: string;
  readonly tail: number | undefined;
  readonly signal: AbortSignal;
  readonly print: Print;
}

/** Prints what is there and what comes, until the signal or until the mesh is gone. */
async function follow(logs: readonly ContainerLog[], { logsDir, tail, signal, print }: FollowOptions): Promise<void> {
  const followers = logs.map((log) => ({ container: log.container, follower: new LogFollower(log) }));
  try {
    print(tailed(new Map(followers.map(({ container, follower }) => [container, follower.first()])), tail));
    while (!signal.aborted && existsSync(logsDir)) {
      await pause(pollMs, undefined, { signal }).catch(() => {});
      print(new Map(followers.map(({ container, follower }) => [container, follower.poll()])));
    }
  } finally {
    for (const { follower } of followers) follower.close();
  }
}

/** Ends with the command's signal, and when nobody reads any more (`lateen logs -f … | head`). */
function stopSignal(signal: AbortSignal): AbortSignal {
  const closed = new AbortController();
  process.stdout.once("error", () => closed.abort());
  return AbortSignal.any([signal, closed.signal]);
}
