// `lateen proxy list`: every Envoy, whether it is connected, and what it has not acknowledged or has refused.

import type { ProxyStatus } from "../../http/contract.ts";
import { exitCode, formatOption, type RunCommand } from "../command.ts";
import { connect } from "../connect.ts";
import { type Terminal, table } from "../output.ts";

export const runProxyList: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json"]);
  const client = connect(config);
  try {
    const list = await client.proxies();
    if (format === "json") terminal.out(JSON.stringify(list, null, 2));
    else printProxies(list.proxies, list.revision, terminal);
    return list.proxies.every(({ rejected }) => rejected.length === 0) ? exitCode.ok : exitCode.findings;
  } finally {
    client.close();
  }
};

/** The table, and below it what proxies refused. */
export function printProxies(proxies: readonly ProxyStatus[], revision: number, terminal: Terminal): void {
  const { colours } = terminal;
  const rows = proxies.map((proxy) => [
    proxy.namespace,
    proxy.pod,
    proxy.type,
    proxy.connected ? colours.green("● connected") : colours.red("○ not connected"),
    stateOf(proxy, terminal),
    String(proxy.acknowledgedRevision),
  ]);
  terminal.out(table(["NAMESPACE", "POD", "TYPE", "STREAM", "CONFIG", "REVISION"], rows));
  terminal.out(
    `\n${proxies.filter(({ synced }) => synced).length} of ${proxies.length} proxies have acknowledged everything up to revision ${revision}`,
  );
  for (const proxy of proxies) {
    if (proxy.connected) printWaiting(proxy, terminal);
    for (const { type, name, reason, sources, behind } of proxy.rejected) {
      terminal.out(
        `\n${colours.red("✗")} ${proxy.id} ${behind === undefined ? "refused" : "does not get"} ${type} ${name}${sources.length > 0 ? ` (from ${sources.join(", ")})` : ""}\n  cause: ${reason}`,
      );
      terminal.out(`  fix: correct ${behind?.join(", ") ?? "the object"}; the proxy keeps its last good version until then`);
    }
  }
}

const shownWaiting = 3;

function printWaiting({ id, waiting }: ProxyStatus, { out, colours }: Terminal): void {
  if (waiting.length === 0) return;
  const more = waiting.length > shownWaiting ? ` and ${waiting.length - shownWaiting} more` : "";
  const named = waiting.slice(0, shownWaiting).map(({ type, name, reason }) => `${type} ${name}: ${reason}`);
  out(`\n${colours.yellow("…")} ${id} waits for ${named.join("; ")}${more}`);
}

function stateOf(proxy: ProxyStatus, { colours }: Terminal): string {
  if (proxy.rejected.length > 0) return colours.red(`✗ ${proxy.rejected.length} refused`);
  return proxy.synced ? colours.green("✓ acknowledged") : colours.yellow("… waiting");
}
