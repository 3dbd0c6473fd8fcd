// `lateen release plan|start|replay`: what would happen before anything moves, making a Release with few words, and a finished run judged again.

import { stringify } from "yaml";
import { strategies } from "../../api/release/release.ts";
import type { ApiClient } from "../../http/client-types.ts";
import type { ReplayReply, ReplayRequest } from "../../http/release-contract.ts";
import { MeshError, NotFound, UsageError } from "../../lib/errors.ts";
import { listWords } from "../../release/sentences.ts";
import type { RawResource } from "../../store/store.ts";
import type { OptionValues, RunCommand } from "../command.ts";
import { exitCode, formatOption, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Colours } from "../output.ts";
import { planLines } from "../release-view.ts";
import { waitForEnd } from "./release-show.ts";

export const runReleasePlan: RunCommand = async ({ args: [name = ""], options }, { config, terminal }) => {
  const format = formatOption(options, ["text", "json"]);
  const client = connect(config, terminal);
  try {
    const plan = await client.releases.plan(textOption(options, "namespace") ?? "default", name);
    terminal.out(format === "json" ? JSON.stringify(plan, null, 2) : planLines(plan, terminal.colours).join("\n"));
    return exitCode.ok;
  } finally {
    client.close();
  }
};

/** Makes the Release of a service; -o yaml only prints it. */
export const runReleaseStart: RunCommand = async ({ args: [service = ""], options }, context) => {
  const { config, terminal } = context;
  const format = formatOption(options, ["text", "yaml"]);
  const release = releaseOf(service, options);
  const namespace = release.metadata.namespace ?? "default";
  if (format === "yaml") {
    terminal.out(stringify(release).trimEnd());
    return exitCode.ok;
  }
  const client = connect(config, terminal);
  try {
    await makeRelease(client, release, { service, namespace });
    terminal.out(planLines(await client.releases.plan(namespace, service), terminal.colours).join("\n"));
    if (options["wait"] === true)
      return await waitForEnd(client, { namespace, name: service, options: { ...options, output: "tree" }, context });
    terminal.out(`\nit runs by itself; follow it with: lateen release get ${service} -n ${namespace} -w`);
    return exitCode.ok;
  } finally {
    client.close();
  }
};

async function makeRelease(
  client: ApiClient,
  release: RawResource,
  { service, namespace }: { readonly service: string; readonly namespace: string },
): Promise<void> {
  const { items: services } = await client.list("Service", { namespace });
  if (!services.some(({ metadata }) => metadata.name === service)) {
    const names = services.map(({ metadata }) => metadata.name ?? "").toSorted();
    const known = names.length === 0 ? "`lateen get services -A` lists all" : `services of the namespace are ${listWords(names)}`;
    throw new NotFound(`there is no Service ${namespace}/${service} to release versions of`, { fix: `${known}; -n says where` });
  }
  const others = (await client.releases.list()).filter((one) => one.namespace === namespace && one.service === service);
  const [other] = others;
  if (other !== undefined) {
    throw new MeshError("already_exists", `service ${namespace}/${service} has release ${other.name} already`, {
      fix: `a newer version starts it by itself; \`lateen release retry ${other.name} -n ${namespace}\` starts one that went back anew; \`lateen delete release ${other.name} -n ${namespace}\` ends it`,
    });
  }
  await client.create(release);
}

/** The object that the flags describe. @throws UsageError for flags that make none. */
function releaseOf(service: string, options: OptionValues): RawResource {
  const strategy = textOption(options, "strategy") ?? "canary";
  if (!strategies.some((one) => one === strategy)) {
    throw new UsageError(`there is no strategy "${strategy}"`, { fix: `use one of ${strategies.join(", ")}` });
  }
  const weights = textOption(options, "steps");
  const least = textOption(options, "for");
  const margin = textOption(options, "margin");
  const steps = weights?.split(",").map((weight) => ({ setWeight: weightOf(weight), ...(least === undefined ? {} : { for: least }) }));
  const sticky = textOption(options, "sticky");
  return {
    apiVersion: "lateen.io/v1alpha1",
    kind: "Release",
    metadata: { name: service, namespace: textOption(options, "namespace") ?? "default" },
    spec: {
      service,
      ...(steps === undefined ? { strategy } : { steps }),
      ...(sticky === undefined ? {} : { sticky: { cookie: sticky } }),
      ...(margin === undefined ? {} : { analysis: { metrics: [{ name: "errors", margin: marginOf(margin) }] } }),
    },
  };
}

function weightOf(text: string): number {
  const weight = Number(text.trim().replace(/\s*%$/, ""));
  if (text.trim() !== "" && weight >= 0 && weight <= 100) return weight;
  throw new UsageError(`--steps: "${text}" is no weight`, { fix: "write percentages: --steps 1,10,50,100" });
}

/** "2x", "+0.02", "1.5x+0.001": tolerated is ratio times stable's rate, plus a rate. @throws UsageError for anything else. */
function marginOf(text: string): { readonly ratio?: number; readonly plus?: number } {
  const parts = /^(?:(\d+(?:\.\d+)?)[x×])?(?:\+?(\d*\.?\d+))?$/.exec(text.replaceAll(" ", ""));
  const [, ratio, plus] = parts ?? [];
  if (ratio === undefined && plus === undefined) {
    throw new UsageError(`--margin: "${text}" is no margin`, {
      fix: 'write "2x" (twice stable\'s rate), "+0.02" (two percentage points more) or "1.5x+0.001"',
    });
  }
  return { ...(ratio === undefined ? {} : { ratio: Number(ratio) }), ...(plus === undefined ? {} : { plus: Number(plus) }) };
}

export const runReleaseReplay: RunCommand = async ({ args: [run = ""], options }, { config, terminal }) => {
  const format = formatOption(options, ["text", "json"]);
  const margin = textOption(options, "margin");
  const alarm = textOption(options, "falseAlarm");
  const request: ReplayRequest = {
    ...(margin === undefined ? {} : { margin: marginOf(margin) }),
    ...(alarm === undefined ? {} : { falseAlarm: falseAlarmOf(alarm) }),
  };
  const client = connect(config, terminal);
  try {
    const reply = await client.releases.replay(textOption(options, "namespace") ?? "default", run, request);
    terminal.out(format === "json" ? JSON.stringify(reply, null, 2) : replayLines(reply, terminal.colours).join("\n"));
    return exitCode.ok;
  } finally {
    client.close();
  }
};

function falseAlarmOf(text: string): number {
  const alarm = Number(text);
  if (alarm > 0 && alarm < 1) return alarm;
  throw new UsageError(`--false-alarm: "${text}" is no chance`, { fix: "write a number between 0 and 1, for example 0.01" });
}

function replayLines({ run, seconds, asItWas, replayed }: ReplayReply, colours: Colours): readonly string[] {
  const words = ({ verdict, seconds: after, failedRequests, sentence }: ReplayReply["asItWas"]) => {
    const when = after === undefined ? "to the end" : `after ${after} s`;
    return `${verdict} ${when}, ${failedRequests} failed requests: ${sentence}`;
  };
  return [
    `${colours.bold(run)}: ${seconds} recorded seconds`,
    `as it was:     ${words(asItWas)}`,
    `with these:    ${words(replayed)}`,
    colours.dim("the same samples are judged; what other shares would have brought later can't be known"),
  ];
}
