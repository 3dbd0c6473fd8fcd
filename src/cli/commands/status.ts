// `lateen status`: the whole mesh on one screen: pods, proxies, and what is wrong, with its fix.

import { printDiagnostic } from "../../app/manifests.ts";
import type { MeshStatus } from "../../http/contract.ts";
import { exitCode, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { type Terminal, table } from "../output.ts";

export const runStatus: RunCommand = async ({ options }, { config, terminal }) => {
  const client = connect(config);
  try {
    const [status, { diagnostics }] = await Promise.all([client.status(), client.diagnostics()]);
    if (textOption(options, "output") === "json") {
      terminal.out(JSON.stringify({ ...status, findings: diagnostics }, null, 2));
    } else {
      printStatus(status, terminal);
      for (const diagnostic of diagnostics) terminal.out(`\n${printDiagnostic(diagnostic)}`);
    }
    return status.diagnostics.errors > 0 ? exitCode.findings : exitCode.ok;
  } finally {
    client.close();
  }
};

function printStatus(status: MeshStatus, terminal: Terminal): void {
  const { colours } = terminal;
  const { total, connected, synced } = status.proxies;
  const rows = status.pods.map((pod) => [
    pod.namespace,
    pod.name,
    pod.ready ? colours.green("✓ ready") : colours.yellow("… not ready"),
    pod.phase,
    pod.ip,
    String(pod.restarts),
  ]);
  terminal.out(`mesh ${colours.bold(status.mesh)}, revision ${status.revision}`);
  terminal.out(`proxies: ${connected} of ${total} connected, ${synced} of ${total} have acknowledged everything\n`);
  terminal.out(table(["NAMESPACE", "POD", "READY", "PHASE", "IP", "RESTARTS"], rows));
  if (status.changes.length === 0) return;
  const changes = status.changes.map(({ resource, revision, acknowledged, total: all }) => [
    resource,
    String(revision),
    `${acknowledged === all ? colours.green("✓") : colours.yellow("…")} ${acknowledged} of ${all} proxies`,
  ]);
  terminal.out(`\n${table(["LATEST CHANGES", "REVISION", "ACKNOWLEDGED"], changes)}`);
}
