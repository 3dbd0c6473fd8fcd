// `lateen flag list|get|eval`: feature flags, and what they decide.

import type { Audience } from "../../api/release/audience.ts";
import { type FeatureFlag, featureFlagSchema } from "../../api/release/feature-flag.ts";
import type { ApiClient } from "../../http/client-types.ts";
import type { FlagEvaluation, FlagFailure } from "../../http/flags-contract.ts";
import { NotFound, UsageError } from "../../lib/errors.ts";
import { flagHeader } from "../../release/flags.ts";
import { exitCode, formatOption, listOption, type OptionValues, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { table } from "../output.ts";

export const runFlagList: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json"]);
  const namespace = options["allNamespaces"] === true ? undefined : (textOption(options, "namespace") ?? "default");
  const client = connect(config, terminal);
  try {
    const flags = await flagsOf(client, namespace);
    if (format === "json") terminal.out(JSON.stringify({ flags }, null, 2));
    else if (flags.length === 0)
      terminal.out(`no feature flags${namespace === undefined ? "" : ` in namespace ${namespace} (-A shows all)`}`);
    else {
      const rows = flags.map((flag) => [
        flag.metadata.namespace,
        flag.spec.key,
        flag.spec.service,
        flagHeader(flag),
        `${flag.spec.default} (${textOfVariant(flag, flag.spec.default)})`,
        String(flag.spec.rules.length),
      ]);
      terminal.out(table(["NAMESPACE", "KEY", "SERVICE", "HEADER", "DEFAULT", "RULES"], rows));
    }
    return exitCode.ok;
  } finally {
    client.close();
  }
};

export const runFlagGet: RunCommand = async ({ args: [key = ""], options }, { config, terminal }) => {
  const format = formatOption(options, ["text", "json"]);
  const namespace = textOption(options, "namespace") ?? "default";
  const client = connect(config, terminal);
  try {
    const flag = (await flagsOf(client, namespace)).find(({ spec }) => spec.key === key);
    if (flag === undefined) throw missing(namespace, key);
    terminal.out(format === "json" ? JSON.stringify(flag, null, 2) : flagLines(flag).join("\n"));
    return exitCode.ok;
  } finally {
    client.close();
  }
};

export const runFlagEval: RunCommand = async ({ args: [key = ""], options }, { config, terminal }) => {
  const format = formatOption(options, ["text", "json"]);
  const namespace = textOption(options, "namespace") ?? "default";
  const client = connect(config, terminal);
  try {
    const answer = await client.flags.evaluate(namespace, key, contextOf(options));
    if (format === "json") terminal.out(JSON.stringify(answer, null, 2));
    else if ("value" in answer) terminal.out(answerText(answer));
    else if (answer.errorCode === "FLAG_NOT_FOUND") throw missing(namespace, key);
    else terminal.err(`${answer.errorCode}: ${answer.errorDetails}${fixOf(answer)}`);
    return "value" in answer ? exitCode.ok : exitCode.failed;
  } finally {
    client.close();
  }
};

function missing(namespace: string, key: string): NotFound {
  return new NotFound(`namespace ${namespace} has no feature flag ${key}`, { fix: "`lateen flag list -A` shows all" });
}

function fixOf({ errorCode }: FlagFailure): string {
  return errorCode === "TARGETING_KEY_MISSING" ? "; name one with --user" : "";
}

/** Sorted by namespace and key. */
async function flagsOf(client: ApiClient, namespace: string | undefined): Promise<readonly FeatureFlag[]> {
  const { items } = await client.list("FeatureFlag", { namespace });
  const place = ({ metadata, spec }: FeatureFlag) => `${metadata.namespace}/${spec.key}`;
  return items.map((item) => featureFlagSchema.parse(item)).toSorted((a, b) => (place(a) < place(b) ? -1 : 1));
}

function contextOf(options: OptionValues): object {
  const user = textOption(options, "user");
  return {
    ...(user === undefined ? {} : { targetingKey: user }),
    headers: pairsOf(options, "header"),
    cookies: pairsOf(options, "cookie"),
    query: pairsOf(options, "query"),
    claims: pairsOf(options, "claim"),
  };
}

function pairsOf(options: OptionValues, name: string): Readonly<Record<string, string>> {
  const pairs = listOption(options, name).map((text) => {
    const at = text.indexOf("=");
    if (at <= 0) throw new UsageError(`--${name}: "${text}" has no value`, { fix: `write for example --${name} group=testers` });
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs);
}

/** "on = true (SPLIT); x-flag-new-checkout: true; reaches checkout.shop v2" */
function answerText({ variant, value, reason, metadata }: FlagEvaluation): string {
  const service = metadata.service.replace(/\.svc\..*$/, "");
  const version = metadata.version === undefined ? "any version" : `version ${metadata.version}`;
  return `${variant} = ${typeof value === "object" ? JSON.stringify(value) : value} (${reason}); ${service} gets it in ${metadata.header}, from ${version}`;
}

function textOfVariant({ spec }: FeatureFlag, variant: string): string {
  return Object.hasOwn(spec.variants, variant) ? (spec.variants[variant]?.value ?? "") : "";
}

function flagLines(flag: FeatureFlag): readonly string[] {
  const { spec, metadata } = flag;
  const rules = spec.rules.map(({ match, percent, sticky, variant }) => {
    const { cookie, header, claim } = sticky ?? spec.sticky ?? {};
    const by = cookie !== undefined ? `cookie ${cookie}` : header !== undefined ? `header ${header}` : `claim ${claim ?? "?"}`;
    return [match === undefined ? `${percent ?? 0} % of users by ${by}` : audienceText(match), `→ ${variant}`];
  });
  const variants = Object.entries(spec.variants).map(([name, { value, version }]) => [
    name,
    value,
    version === undefined ? "any" : version,
    name === spec.default ? "default" : "",
  ]);
  return [
    `${spec.key} (FeatureFlag ${metadata.namespace}/${metadata.name}): service ${spec.service}, header ${flagHeader(flag)}`,
    "",
    table(["VARIANT", "VALUE", "VERSION", ""], variants),
    "",
    ...(rules.length === 0 ? ["everybody has the default"] : [table(["WHO", "GETS"], [...rules, ["everybody else", `→ ${spec.default}`]])]),
  ];
}

function audienceText(audience: Audience): string {
  const fields = Object.entries(audience).flatMap(([field, value]): readonly string[] => {
    if (value === undefined) return [];
    if (typeof value === "string") return [`${field} ${value}`];
    return Object.keys(value).length === 0 ? [] : [`${field} ${JSON.stringify(value)}`];
  });
  return fields.join(", ");
}
