// `lateen release promote|pause|resume|set-weight|abort|undo|retry`: what a person asks of a run, with a name and a reason; stored before it answers.

import { userInfo } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { ApiClient } from "../../http/client-types.ts";
import { UsageError } from "../../lib/errors.ts";
import type { PersonInput } from "../../release/observation.ts";
import type { OptionValues, RunCommand } from "../command.ts";
import { exitCode, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { waitForEnd } from "./release-show.ts";

/** The command of one kind of input. */
export function releaseInputCommand(type: PersonInput["type"]): RunCommand {
  return async ({ args: [name = "", value], options }, context) => {
    const namespace = textOption(options, "namespace") ?? "default";
    const percent = type === "set-weight" ? percentOf(value) : undefined;
    const client = connect(context.config, context.terminal);
    try {
      const { seq } = await client.releases.ask(namespace, name, {
        type,
        actor: textOption(options, "as") ?? userInfo().username,
        reason: textOption(options, "reason") ?? "",
        ...(percent === undefined ? {} : { percent }),
        ...(options["full"] === true ? { full: true } : {}),
        ...(options["force"] === true ? { force: true } : {}),
      });
      const answer = await answerTo(client, { namespace, name, seq });
      if (answer.isRefused) {
        context.terminal.err(answer.sentence);
        return exitCode.failed;
      }
      context.terminal.out(answer.sentence);
      return options["wait"] === true ? await waitForEnd(client, { namespace, name, options: asTree(options), context }) : exitCode.ok;
    } finally {
      client.close();
    }
  };
}

function asTree(options: OptionValues): OptionValues {
  return { ...options, output: "tree" };
}

/** "10", "10%", "0.1 %". @throws UsageError for anything else. */
function percentOf(text = ""): number {
  const percent = Number(text.replace(/\s*%$/, ""));
  if (text !== "" && percent >= 0 && percent <= 100) return percent;
  throw new UsageError(`"${text}" is no weight`, { fix: "write a percentage from 0 to 100: lateen release set-weight web 10" });
}

const pollMs = 100;
const patienceMs = 10_000;

/** What the engine made of it; it decides at once, so this takes no time but on a busy machine. */
async function answerTo(
  client: ApiClient,
  { namespace, name, seq }: { readonly namespace: string; readonly name: string; readonly seq: number },
): Promise<{ readonly sentence: string; readonly isRefused: boolean }> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const view = await client.releases.get(namespace, name);
    const answer = view.answers.find((one) => one.seq === seq);
    if (answer !== undefined) return answer;
    if (performance.now() > end) return { sentence: `stored as input ${seq}; the engine hasn't handled it yet`, isRefused: false };
    await pause(pollMs);
  }
}
