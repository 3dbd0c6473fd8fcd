// `lateen ca status|renew|rotate-root`: which roots are trusted, new certificates for all, and replacing the root with progress until every
// proxy has the new one.

import { setTimeout as pause } from "node:timers/promises";
import type { ApiClient } from "../../http/client-types.ts";
import type { AuthorityView, RotationView } from "../../http/security-contract.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { exitCode, formatOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { day, expiryText, type Terminal, table } from "../output.ts";

const pollMs = 200;

export const runCaStatus: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json"]);
  const client = connect(config, terminal);
  try {
    const authority = await client.authority();
    if (format === "json") terminal.out(JSON.stringify(authority, null, 2));
    else printAuthority(authority, terminal, Date.now());
    return exitCode.ok;
  } finally {
    client.close();
  }
};

/** Trust domain, roots, and the rotation when there is one. */
function printAuthority(authority: AuthorityView, { out, colours }: Pick<Terminal, "out" | "colours">, nowMs: number): void {
  const { trustDomain, source, roots, issuer, rotation, isRootDue, problem } = authority;
  const owner = source === "own" ? "an authority of its own" : "plug-in CA files";
  out(`trust domain ${colours.bold(trustDomain)}, certificates from ${owner}\n`);
  const rows = roots.map(({ fingerprint, notBefore, notAfter }) => [fingerprint, day(notBefore), expiryText(notAfter, nowMs)]);
  out(table(["TRUSTED ROOT (SHA-256)", "SINCE", "EXPIRES"], rows));
  out(`\nthe signing intermediate expires ${expiryText(issuer.notAfter, nowMs)}`);
  if (rotation !== undefined) for (const line of rotationLines(rotation)) out(line);
  if (problem !== undefined) {
    out(`${colours.red("✗")} certificates can't be renewed: ${problem}\n  the old ones stay; it is tried again every second`);
  }
  if (isRootDue && source === "plug-in") {
    out(
      `${colours.yellow("!")} a root has only a fifth of its life left\n  fix: replace the plug-in files: both roots first, then the new signing key`,
    );
  }
}

const phaseTexts: Readonly<Record<RotationView["phase"], string>> = {
  steady: "no root rotation is under way",
  distributing: "root rotation 1/3: both roots are being made known; certificates are still under the old one",
  reissuing: "root rotation 2/3: everybody gets a certificate under the new root",
  retiring: "root rotation 3/3: the old root is being forgotten",
  returning: "root rotation called off: everybody gets a certificate under the old root again",
};

/** What a rotation is doing, and who is waited for. */
function rotationLines({ phase, waitingFor }: RotationView): readonly string[] {
  return [phaseTexts[phase], ...(waitingFor.length === 0 ? [] : [`  waiting for ${namesOf(waitingFor)}`])];
}

const shownNames = 5;

function namesOf(names: readonly string[]): string {
  const more = names.length > shownNames ? ` and ${names.length - shownNames} more` : "";
  return `${names.slice(0, shownNames).join(", ")}${more}`;
}

export const runRotateRoot: RunCommand = async ({ options }, { config, terminal, signal }) => {
  const timeoutMs = parseDuration(textOption(options, "timeout") ?? "10m");
  if (timeoutMs === undefined) throw new UsageError("--timeout is not a duration", { fix: "write for example --timeout 10m" });
  const client = connect(config, terminal);
  try {
    const isAbort = options["abort"] === true;
    const rootsBefore = fingerprints(await client.authority());
    const begun = isAbort ? await client.abortRootRotation() : await client.rotateRoot();
    if (isAbort && begun.rotation?.phase === "retiring") {
      terminal.err("it is too late to call the rotation off: every certificate is under the new root");
      return exitCode.failed;
    }
    if (options["wait"] === false) {
      terminal.err("the rotation goes on: lateen ca status shows how far");
      return exitCode.ok;
    }
    const end = await untilSteady(client, begun, { terminal, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
    if (end === undefined) return signal.aborted ? exitCode.interrupted : exitCode.timedOut;
    const isNew = fingerprints(end).some((fingerprint) => !rootsBefore.includes(fingerprint));
    terminal.out(`${isNew ? "the root is" : "the root is still"} ${fingerprints(end).join(", ")}`);
    return isNew === isAbort ? exitCode.failed : exitCode.ok;
  } finally {
    client.close();
  }
};

export const runRenew: RunCommand = async (_input, { config, terminal }) => {
  const client = connect(config, terminal);
  try {
    const { certificates } = await client.renewCertificates();
    terminal.out(`${certificates} certificates are being renewed; lateen proxy list shows the new ones`);
    return exitCode.ok;
  } finally {
    client.close();
  }
};

function fingerprints({ roots }: AuthorityView): readonly string[] {
  return roots.map(({ fingerprint }) => fingerprint);
}

interface Waiting {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Tells each new phase and who is missing; undefined when the signal came first. A control plane that is away is waited for. */
async function untilSteady(client: ApiClient, begun: AuthorityView, { terminal, signal }: Waiting): Promise<AuthorityView | undefined> {
  let told = "";
  let now: AuthorityView = begun;
  for (;;) {
    const { rotation } = now;
    if (rotation === undefined || rotation.phase === "steady") return now;
    const lines = rotationLines(rotation).join("\n");
    if (lines !== told) terminal.err(lines);
    told = lines;
    await pause(pollMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      terminal.err("not waiting any longer; the rotation goes on: lateen ca status shows how far");
      return undefined;
    }
    now = await client.authority().catch(() => now);
  }
}
