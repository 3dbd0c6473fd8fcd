// `lateen egress blocked`: which hosts outside the mesh were refused, to whom, and the ServiceEntries that would let them through. Read from the
// proxies' access logs, which are there even while the control plane is not.

import { stringify } from "yaml";
import { podSchema } from "../../api/kubernetes/pod.ts";
import { runFiles } from "../../app/config.ts";
import { type Blocked, blockedOf, openingEntries, type RefusedEntry, refusedIn } from "../../app/egress/blocked.ts";
import { containerLogs, proxyContainer, readLog } from "../../app/logs/log-files.ts";
import type { ApiClient } from "../../http/client-types.ts";
import { workloadOf } from "../../model/endpoints.ts";
import { exitCode, formatOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { age, type Terminal, table } from "../output.ts";

export const runEgressBlocked: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json", "yaml"]);
  const client = connect(config, terminal);
  try {
    const namespace = textOption(options, "namespace");
    const pods = await podsOf(client);
    const { entries, isReadable } = readRefusals(runFiles.logsDir(config.runDir), pods, namespace);
    const blocked = blockedOf(entries);
    if (!isReadable)
      terminal.err("no line of the access logs can be read: are they off (accessLogFile) or in a format of your own (accessLogFormat)?");
    if (format === "json") terminal.out(JSON.stringify({ blocked, serviceEntries: openingEntries(blocked) }, null, 2));
    else if (format === "yaml") printYaml(blocked, terminal);
    else printBlocked(blocked, terminal, Date.now());
    return exitCode.ok;
  } finally {
    client.close();
  }
};

interface KnownPod {
  readonly workload: string;
  readonly address: string;
}

/** By "<namespace>/<pod>"; empty while the control plane is away. */
async function podsOf(client: ApiClient): Promise<ReadonlyMap<string, KnownPod>> {
  const { items } = await client.list("Pod").catch(() => ({ items: [] }));
  const pods = items.flatMap((item) => podSchema.safeParse(item).data ?? []);
  return new Map(
    pods.map((pod) => [
      `${pod.metadata.namespace}/${pod.metadata.name}`,
      { workload: workloadOf(pod).name, address: pod.status?.podIP ?? "" },
    ]),
  );
}

interface Refusals {
  readonly entries: readonly RefusedEntry[];
  /** False when there are lines, and none of them in the format that is understood. */
  readonly isReadable: boolean;
}

function readRefusals(logsDir: string, pods: ReadonlyMap<string, KnownPod>, wanted: string | undefined): Refusals {
  let lines = 0;
  let read = 0;
  const entries = containerLogs(logsDir)
    .filter(({ container, namespace }) => container === proxyContainer && (wanted === undefined || wanted === namespace))
    .flatMap((log) => {
      const { namespace, pod } = log;
      const known = pods.get(`${namespace}/${pod}`);
      return readLog(log, { previous: false }).flatMap(({ text, time, stream }): readonly RefusedEntry[] => {
        if (stream === "stdout") lines += 1;
        const refused = refusedIn(text);
        if (refused !== undefined) read += 1;
        // A connection to the pod itself was refused to somebody else, by its own policies.
        if (refused === undefined || refused === "other" || refused.address === known?.address) return [];
        return [{ ...refused, namespace, workload: known?.workload ?? pod, time }];
      });
    });
  return { entries, isReadable: lines === 0 || read > 0 };
}

function printBlocked(blocked: readonly Blocked[], { out, err, colours }: Terminal, nowMs: number): void {
  if (blocked.length === 0) {
    out("nothing was blocked");
    return;
  }
  const rows = blocked.map(({ namespace, workload, protocol, host, port, count, last }) => [
    namespace,
    workload,
    colours.red(`✗ ${host}:${port}`),
    protocol,
    String(count),
    `${age(Date.parse(last), nowMs)} ago`,
  ]);
  out(table(["NAMESPACE", "WORKLOAD", "BLOCKED", "PROTOCOL", "TIMES", "LAST"], rows));
  err("\nto open them: lateen egress blocked -o yaml > open.yaml, take out what should stay closed, lateen apply -f open.yaml");
}

function printYaml(blocked: readonly Blocked[], { out }: Terminal): void {
  const documents = openingEntries(blocked).map((entry) => stringify(entry).trimEnd());
  out(documents.length === 0 ? "# nothing was blocked" : documents.join("\n---\n"));
}
