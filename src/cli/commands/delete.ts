// `lateen delete`: by kind and names, or by manifest; then waits until every proxy concerned has acknowledged.

import { acknowledgementLines } from "../../app/apply.ts";
import { printDiagnostic, readManifests } from "../../app/manifests.ts";
import type { ObjectRef } from "../../http/client-types.ts";
import { type MeshError, NotFound, UsageError } from "../../lib/errors.ts";
import { type CommandContext, exitCode, listOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { kindOfWord } from "./get.ts";

export const runDelete: RunCommand = async ({ args, options }, context) => {
  const { config, terminal, cwd, signal } = context;
  const namespace = textOption(options, "namespace") ?? "default";
  const files = listOption(options, "filename");
  const [word, ...names] = args;
  if (files.length === 0 && (word === undefined || names.length === 0)) {
    throw new UsageError("nothing to delete is named", { fix: "write `lateen delete <kind> <name>`, or -f <manifests>" });
  }
  const manifests = files.length === 0 ? undefined : readManifests(files, { namespace, cwd });
  for (const diagnostic of manifests?.diagnostics ?? []) terminal.err(printDiagnostic(diagnostic));
  const fromFiles = (manifests?.resources ?? [])
    .toReversed()
    .map(({ kind, value }) => ({ kind, namespace: value.metadata.namespace, name: value.metadata.name }));
  const named = word === undefined ? [] : names.map((name) => ({ kind: kindOfWord(word), namespace, name }));
  const refs: readonly ObjectRef[] = [...fromFiles, ...named];
  const client = connect(config, terminal);
  try {
    const startedAt = performance.now();
    const outcomes = await client.deleteAll(refs);
    const missing = refs.filter((ref, index) => printDeleted(ref, outcomes[index], context)).length;
    const code = missing > 0 ? exitCode.failed : exitCode.ok;
    if (options["wait"] === false) return code;
    const { revision } = await client.status();
    const reply = await client.waitAcknowledged(revision, { signal });
    for (const line of acknowledgementLines(reply, performance.now() - startedAt)) terminal.err(line);
    return reply.acknowledged ? code : exitCode.failed;
  } finally {
    client.close();
  }
};

/** Prints what became of one; true when it did not exist. @throws the error of one that could not be deleted. */
function printDeleted(
  { kind, namespace = "default", name }: ObjectRef,
  error: MeshError | undefined,
  { terminal }: CommandContext,
): boolean {
  if (error === undefined) {
    terminal.out(`${kind.toLowerCase()}/${name} deleted`);
    return false;
  }
  if (!(error instanceof NotFound)) throw error;
  terminal.err(`${terminal.colours.red("error:")} ${kind.toLowerCase()}/${name} does not exist in namespace ${namespace}`);
  return true;
}
