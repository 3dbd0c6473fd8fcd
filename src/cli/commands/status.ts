// `lateen status`: the whole mesh on one screen: pods, proxies, and what is wrong, with its fix.

import { printDiagnostic } from "../../app/manifests.ts";
import type { MeshStatus, PodSummary } from "../../http/contract.ts";
import { exitCode, formatOption, type RunCommand } from "../command.ts";
import { connect } from "../connect.ts";
import { type Colours, type Terminal, table } from "../output.ts";

export const runStatus: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json"]);
  const client = connect(config, terminal);
  try {
    const [status, { diagnostics }] = await Promise.all([client.status(), client.diagnostics()]);
    if (format === "json") {
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
  const rows = status.pods.map((pod) => [pod.namespace, pod.name, readiness(pod, colours), pod.phase, pod.ip, String(pod.restarts)]);
  terminal.out(`mesh ${colours.bold(status.mesh)}, revision ${status.revision}`);
  terminal.out(`proxies: ${connected} of ${total} connected, ${synced} of ${total} have acknowledged everything`);
  const { metricsPort } = status;
  terminal.out(metricsPort === undefined ? "" : `metrics: http://127.0.0.1:${metricsPort}/metrics\n`);
  terminal.out(table(["NAMESPACE", "POD", "READY", "PHASE", "IP", "RESTARTS"], rows));
  for (const { namespace, name, reason } of status.pods) {
    if (reason !== undefined) terminal.out(`\n${colours.yellow("…")} ${namespace}/${name} is not ready: ${reason}`);
  }
  if (status.changes.length === 0) return;
  const changes = status.changes.map(({ resource, revision, acknowledged, total: all }) => [
    resource,
    String(revision),
    `${acknowledged === all ? colours.green("✓") : colours.yellow("…")} ${acknowledged} of ${all} proxies`,
  ]);
  terminal.out(`\n${table(["LATEST CHANGES", "REVISION", "ACKNOWLEDGED"], changes)}`);
}

function readiness({ ready, phase }: PodSummary, colours: Colours): string {
  if (ready) return colours.green("✓ ready");
  return phase === "Succeeded" ? colours.green("✓ completed") : colours.yellow("… not ready");
}
