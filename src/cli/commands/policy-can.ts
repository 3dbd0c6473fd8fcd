// `lateen policy can <from> <to> [method path]`: yes or no, and what decided. Exit code 0 when allowed, 1 when not.

import { stringify } from "yaml";
import type { AccessAnswer, AccessQuestion } from "../../analyze/access/answer-access.ts";
import { isJsonObject, type JsonObject } from "../../api/json.ts";
import { UsageError } from "../../lib/errors.ts";
import { type CommandInput, exitCode, formatOption, listOption, type OptionValues, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Terminal } from "../output.ts";

export const runPolicyCan: RunCommand = async (input, { config, terminal }) => {
  const format = formatOption(input.options, ["table", "json"]);
  const question = questionOf(input);
  const client = connect(config, terminal);
  try {
    const answer = await client.access(question);
    if ("problem" in answer) throw new UsageError(answer.problem, { fix: answer.fix });
    if (format === "json") terminal.out(JSON.stringify(answer, null, 2));
    else printAnswer(answer, terminal);
    return answer.allowed ? exitCode.ok : exitCode.failed;
  } finally {
    client.close();
  }
};

/** The command line as a question. @throws UsageError */
export function questionOf({ args, options }: CommandInput): AccessQuestion {
  const [from = "", to = "", ...request] = args;
  return {
    from,
    to,
    namespace: textOption(options, "namespace") ?? "default",
    port: textOption(options, "port"),
    host: textOption(options, "host"),
    headers: listOption(options, "header").map(headerOf),
    claims: claimsOf(options),
    ...requestOf(request),
  };
}

/** "GET", "/path" or "GET /path". */
function requestOf([first, second, ...more]: readonly string[]): Pick<AccessQuestion, "method" | "path"> {
  const fix = "write a method and a path: GET /orders";
  if (more.length > 0) throw new UsageError(`too many words: ${more.join(" ")}`, { fix });
  if (first === undefined) return {};
  const [method, path] = first.startsWith("/") ? [second, first] : [first, second];
  if (method !== undefined && !/^[A-Za-z]+$/.test(method)) throw new UsageError(`"${method}" is no method`, { fix });
  if (path !== undefined && !path.startsWith("/")) throw new UsageError(`"${path}" is no path`, { fix });
  return { method: method?.toUpperCase() ?? "GET", path: path ?? "/" };
}

function headerOf(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new UsageError(`--header "${text}" is no header`, { fix: 'write for example --header "x-team: a"' });
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()];
}

function claimsOf(options: OptionValues): JsonObject | undefined {
  const text = textOption(options, "tokenClaims");
  if (text === undefined) return undefined;
  const value = jsonOf(text);
  if (isJsonObject(value)) return value;
  throw new UsageError("--token-claims is no JSON object", {
    fix: `write for example --token-claims '{"iss":"https://login","sub":"me"}'`,
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function printAnswer(answer: AccessAnswer, { out, colours }: Terminal): void {
  const { allowed, reason, from, to, request, transport, mtls, policy, audited, dryRun, needed, differs } = answer;
  out(
    `${allowed ? colours.green("✓ yes") : colours.red("✗ no")}: ${reason}${differs ? " (other pods of the same name get another answer)" : ""}\n`,
  );
  const who = from.identity === "" ? `nobody: ${transport.reason ?? "no certificate"}` : from.identity;
  const port = to.servicePort === undefined || to.servicePort === to.port ? `port ${to.port}` : `port ${to.servicePort} → ${to.port}`;
  const mode =
    mtls.mode === "none"
      ? "none: the server has no sidecar"
      : `${mtls.mode} (${mtls.source ?? "the default: no PeerAuthentication says otherwise"})`;
  const rows: readonly (readonly [string, string])[] = [
    ["from", from.name],
    ["caller", who],
    ["to", `${to.name}, ${port} (${to.protocol})`],
    ...(request === undefined ? [] : [["request", request] as const]),
    ["travels as", transportText(answer)],
    ["port accepts", mode],
    ...(dryRun === undefined ? [] : [["dry run", `${dryRun.allowed ? "yes" : "no"}: ${dryRun.reason}`] as const]),
    ...(audited.length === 0 ? [] : [["audited by", audited.join(", ")] as const]),
  ];
  for (const [name, value] of rows) out(`  ${colours.dim(name.padEnd(12))} ${value}`);
  if (policy !== undefined) {
    out(`\n${policy.name}${policy.rule === undefined ? "" : `, rule ${policy.rule + 1}`}:`);
    out(indented(stringify(policy.manifest).trimEnd()));
  }
  for (const way of needed) out(`\n${colours.yellow("→")} ${way}`);
}

function transportText({ transport }: AccessAnswer): string {
  if (transport.kind === "mtls") return transport.source === undefined ? "mutual TLS" : `mutual TLS (${transport.source})`;
  const kind = transport.kind === "tls" ? "TLS" : "plaintext";
  return `${kind}: ${transport.reason ?? ""}`;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
