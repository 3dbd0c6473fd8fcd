// `lateen describe <kind> <name>`: a pod with everything that concerns it; any other object with what was found about it.

import { stringify } from "yaml";
import { printDiagnostic } from "../../app/manifests.ts";
import type { ApiClient } from "../../http/client-types.ts";
import { UsageError } from "../../lib/errors.ts";
import { exitCode, formatOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { printPod } from "../describe-pod-view.ts";
import type { Terminal } from "../output.ts";
import { kindOfWord } from "./get.ts";

export const runDescribe: RunCommand = async ({ args, options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json"]);
  const [word = "", ...rest] = args.flatMap((arg) => arg.split("/"));
  const kind = kindOfWord(word);
  const [first, second] = rest;
  if (first === undefined) throw new UsageError("no name is given", { fix: `write for example: lateen describe ${word} <name>` });
  const name = second ?? first;
  const namespace = second === undefined ? (textOption(options, "namespace") ?? "default") : first;
  const client = connect(config, terminal);
  try {
    if (kind !== "Pod") return await describeObject(client, { kind, namespace, name }, { format, terminal });
    const pod = await client.describePod(namespace, name);
    if (format === "json") terminal.out(JSON.stringify(pod, null, 2));
    else printPod(pod, terminal, Date.now());
    return exitCode.ok;
  } finally {
    client.close();
  }
};

interface Output {
  readonly format: "table" | "json";
  readonly terminal: Terminal;
}

type Ref = Parameters<ApiClient["get"]>[0];

async function describeObject(client: ApiClient, ref: Ref, { format, terminal }: Output): Promise<number> {
  const [object, { diagnostics }] = await Promise.all([client.get(ref), client.diagnostics()]);
  const { name = "", namespace } = object.metadata;
  const full = namespace === undefined ? `${object.kind} ${name}` : `${object.kind} ${namespace}/${name}`;
  const problems = diagnostics.filter(({ resource }) => resource.split(", ").includes(full));
  if (format === "json") {
    terminal.out(JSON.stringify({ object, problems }, null, 2));
    return exitCode.ok;
  }
  terminal.out(stringify(object).trimEnd());
  terminal.out(problems.length === 0 ? "\nnothing wrong was found" : "");
  for (const problem of problems) terminal.out(printDiagnostic(problem));
  return exitCode.ok;
}
