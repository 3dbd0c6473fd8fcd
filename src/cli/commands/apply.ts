// `lateen apply -f`: checks, stores, and waits until every proxy concerned has acknowledged.

import { type AppliedResource, acknowledgementLines, applyResources, findingsAbout, replyAbout } from "../../app/apply.ts";
import { printDiagnostic, readManifests } from "../../app/manifests.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { type CommandContext, exitCode, listOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";

export const runApply: RunCommand = async ({ options }, context) => {
  const { config, terminal, cwd, signal } = context;
  const files = listOption(options, "filename");
  if (files.length === 0) throw new UsageError("no manifest is named", { fix: "add -f <file or folder>, or -f - for stdin" });
  const timeoutMs = parseDuration(textOption(options, "timeout") ?? "10s");
  if (timeoutMs === undefined) throw new UsageError("--timeout is not a duration", { fix: "write for example --timeout 10s" });
  const manifests = readManifests(files, { namespace: textOption(options, "namespace") ?? "default", cwd });
  for (const diagnostic of manifests.diagnostics) terminal.err(printDiagnostic(diagnostic));
  const bad = manifests.diagnostics.some(({ severity }) => severity === "error");
  if (options["dryRun"] === true) {
    terminal.out(`${manifests.resources.length} objects are valid; nothing was written`);
    return bad ? exitCode.badInput : exitCode.ok;
  }
  const client = connect(config, terminal);
  try {
    const startedAt = performance.now();
    const applied = await applyResources(client, manifests.resources);
    for (const resource of applied.resources) printApplied(resource, context);
    const findings = findingsAbout(manifests.resources, (await client.diagnostics()).diagnostics);
    for (const finding of findings) terminal.err(printDiagnostic(finding));
    const wrong = findings.some(({ severity }) => severity === "error");
    const refused = applied.resources.some(({ outcome }) => outcome === "refused");
    const code = bad || refused ? exitCode.badInput : wrong ? exitCode.findings : exitCode.ok;
    if (applied.revision === 0 || options["wait"] === false) return code;
    const whole = await client.waitAcknowledged(applied.revision, { timeoutMs, signal });
    const reply = replyAbout(manifests.resources, whole);
    for (const line of acknowledgementLines(reply, performance.now() - startedAt)) terminal.err(line);
    if (reply.rejected.length < whole.rejected.length) terminal.err("proxies still refuse other objects: lateen proxy list");
    return reply.acknowledged && reply.rejected.length === 0 ? code : exitCode.failed;
  } finally {
    client.close();
  }
};

/** Prints what the control plane refused; warnings were told with their place when the file was read. */
export function printRefusals(resources: readonly AppliedResource[], context: Pick<CommandContext, "terminal">): void {
  for (const resource of resources) if (resource.outcome === "refused") printApplied(resource, context);
}

/** Prints what became of one object: the outcome on stdout, a refusal on stderr. */
function printApplied({ name, outcome, error }: AppliedResource, { terminal }: Pick<CommandContext, "terminal">): void {
  if (error === undefined) {
    terminal.out(`${name} ${outcome}`);
    return;
  }
  terminal.err(`${terminal.colours.red("error:")} ${error.message}`);
  if (error.fix !== undefined) terminal.err(`  fix: ${error.fix}`);
}
