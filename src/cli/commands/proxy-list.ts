// `lateen proxy list`: every Envoy, whether it is connected, what it has not acknowledged or has refused, and who it is to others.

import type { ProxyStatus } from "../../http/contract.ts";
import { exitCode, formatOption, type RunCommand } from "../command.ts";
import { connect } from "../connect.ts";
import { age, type Colours, type Column, fittingTable, type Terminal } from "../output.ts";

export const runProxyList: RunCommand = async ({ options }, { config, terminal }) => {
  const format = formatOption(options, ["table", "json"]);
  const client = connect(config, terminal);
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
  terminal.out(fittingTable(columnsOf(terminal, Date.now()), proxies, terminal));
  terminal.out(`\n${summaryOf(proxies, revision)}`);
  for (const proxy of proxies) {
    if (proxy.connected) printWaiting(proxy, terminal);
    printRejected(proxy, terminal);
  }
}

/**
 * How far those are that have everything they were sent. That may be less than the newest revision: one counts as sent with the last of its
 * steps, and a change of mTLS modes takes several.
 */
function summaryOf(proxies: readonly ProxyStatus[], revision: number): string {
  const synced = proxies.filter((proxy) => proxy.synced);
  const count = `${synced.length} of ${proxies.length} proxies have acknowledged everything`;
  if (synced.length === 0) return count;
  const acknowledged = Math.min(...synced.map(({ acknowledgedRevision }) => acknowledgedRevision));
  return `${count} up to revision ${acknowledged}${acknowledged < revision ? `; revision ${revision} is on its way` : ""}`;
}

/** What it refused, each with its reason; what is held back behind that, in one line per object to correct. */
function printRejected({ id, rejected }: ProxyStatus, { out, colours }: Terminal): void {
  for (const { type, name, reason, sources } of rejected.filter(({ behind }) => behind === undefined)) {
    const from = sources.length > 0 ? ` (from ${sources.join(", ")})` : "";
    out(`\n${colours.red("✗")} ${id} refused ${type} ${name}${from}\n  cause: ${reason.trim()}`);
    out("  fix: correct the object; the proxy keeps its last good version until then");
  }
  const held = Map.groupBy(
    rejected.filter(({ behind }) => behind !== undefined),
    ({ behind }) => behind?.join(", ") ?? "",
  );
  for (const [behind, resources] of held) {
    const names = namesOf(resources.map(({ type, name }) => `${type} ${name}`));
    out(`\n${colours.yellow("…")} ${id} does not get ${names} until ${behind} is corrected`);
  }
}

function columnsOf(terminal: Terminal, nowMs: number): readonly Column<ProxyStatus>[] {
  const { colours } = terminal;
  return [
    { heading: "NAMESPACE", cell: ({ namespace }) => namespace },
    { heading: "POD", cell: ({ pod }) => pod },
    { heading: "TYPE", cell: ({ type }) => type, dropAt: 4 },
    { heading: "STREAM", cell: ({ connected }) => (connected ? colours.green("● connected") : colours.red("○ not connected")), dropAt: 1 },
    { heading: "CONFIG", cell: (proxy) => stateOf(proxy, terminal) },
    { heading: "REVISION", cell: ({ acknowledgedRevision }) => String(acknowledgedRevision), dropAt: 5 },
    { heading: "MTLS", cell: ({ mtls }) => mtls ?? "-", dropAt: 2 },
    { heading: "IDENTITY", cell: ({ certificate }) => certificate?.spiffeId.replace("spiffe://", "") ?? "-", dropAt: 6 },
    { heading: "CERTIFICATE", cell: ({ certificate }) => certificateText(certificate, colours, nowMs), dropAt: 3 },
  ];
}

function certificateText(certificate: ProxyStatus["certificate"], colours: Colours, nowMs: number): string {
  if (certificate === undefined) return colours.yellow("… none yet");
  const left = Date.parse(certificate.notAfter) - nowMs;
  return left > 0 ? `${age(0, left)} left` : colours.red("✗ expired");
}

const shownWaiting = 3;

function namesOf(names: readonly string[]): string {
  const more = names.length > shownWaiting ? ` and ${names.length - shownWaiting} more` : "";
  return `${names.slice(0, shownWaiting).join(", ")}${more}`;
}

function printWaiting({ id, waiting }: ProxyStatus, { out, colours }: Terminal): void {
  if (waiting.length === 0) return;
  const more = waiting.length > shownWaiting ? ` and ${waiting.length - shownWaiting} more` : "";
  const named = waiting.slice(0, shownWaiting).map(({ type, name, reason }) => `${type} ${name}: ${reason}`);
  out(`\n${colours.yellow("…")} ${id} waits for ${named.join("; ")}${more}`);
}

function stateOf(proxy: ProxyStatus, { colours }: Terminal): string {
  const refused = proxy.rejected.filter(({ behind }) => behind === undefined).length;
  if (proxy.rejected.length > 0) return colours.red(`✗ ${Math.max(1, refused)} refused`);
  return proxy.synced ? colours.green("✓ acknowledged") : colours.yellow("… waiting");
}
