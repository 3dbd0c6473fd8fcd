// A pod's description on one screen; for `lateen describe pod`.

import { printDiagnostic } from "../app/manifests.ts";
import type { PodDescription } from "../http/security-contract.ts";
import { age, expiryText, type Terminal, table } from "./output.ts";

/** A pod on one screen. */
export function printPod(pod: PodDescription, terminal: Terminal, nowMs: number): void {
  const { out, colours } = terminal;
  const state = pod.ready ? colours.green("✓ ready") : colours.yellow(`… not ready${pod.reason === undefined ? "" : `: ${pod.reason}`}`);
  out(`${colours.bold(pod.name)}, ${pod.phase}, ${state}\n`);
  for (const [heading, value] of [...generalRows(pod, nowMs), ...identityRows(pod, nowMs)])
    out(`  ${colours.dim(heading.padEnd(16))} ${value}`);
  section(
    terminal,
    "containers",
    table(
      ["NAME", "IMAGE", "STATE", "RESTARTS"],
      pod.containers.map(({ name, image, state: is, restarts }) => [name, image, is, String(restarts)]),
    ),
  );
  if (pod.accepts.length > 0) section(terminal, "accepts", acceptsTable(pod));
  if (pod.moving !== undefined) out(`  ${colours.yellow("…")} a change is on its way; accepted now: ${pod.moving}`);
  section(terminal, "who may call it", policyLines(pod).join("\n"));
  section(terminal, "traffic", trafficLines(pod).join("\n"));
  section(terminal, "problems", problemLines(pod, terminal).join("\n") || colours.green("none"));
}

type Row = readonly [heading: string, value: string];

function generalRows(pod: PodDescription, nowMs: number): readonly Row[] {
  return [
    ["workload", pod.workload],
    ["address", pod.address || "none yet"],
    ["age", age(Date.parse(pod.createdAt), nowMs)],
    [
      "labels",
      Object.entries(pod.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(", ") || "none",
    ],
    ["proxy", proxyText(pod)],
  ];
}

function proxyText({ proxy, proxyStatus }: PodDescription): string {
  if (proxy === "none") return "none: it speaks plaintext, and no policy is enforced for it";
  if (proxyStatus === undefined || !proxyStatus.connected) return `${proxy}, not connected to the control plane`;
  if (proxyStatus.rejected.length > 0) return `${proxy}, connected, refused ${proxyStatus.rejected.length} resources`;
  const revision = `revision ${proxyStatus.acknowledgedRevision}`;
  return proxyStatus.synced
    ? `${proxy}, connected, everything acknowledged (${revision})`
    : `${proxy}, connected, waits for ${proxyStatus.waiting.length} resources (has ${revision})`;
}

function identityRows({ certificate, roots, proxy, serviceAccount }: PodDescription, nowMs: number): readonly Row[] {
  if (proxy === "none") return [["identity", `none (service account ${serviceAccount})`]];
  if (certificate === undefined) return [["identity", "no certificate yet"]];
  const { spiffeId, serial, issuedAt, notAfter, renewalAt } = certificate;
  return [
    ["identity", spiffeId],
    ["certificate", `serial ${serial}`],
    ["issued", `${issuedAt} (${age(Date.parse(issuedAt), nowMs)} ago)`],
    ["expires", `${notAfter} (${expiryText(notAfter, nowMs).replace(/^\S+ \(/, "")}`],
    ["renewed about", renewalAt],
    ["trusts root", roots.join(", ")],
  ];
}

function acceptsTable({ accepts }: PodDescription): string {
  const rows = accepts.map(({ port, protocol, mode, source }) => [
    port === undefined ? "all others" : String(port),
    protocol ?? "",
    mode,
    source ?? "the default: no PeerAuthentication says otherwise",
  ]);
  return table(["PORT", "PROTOCOL", "MTLS", "BECAUSE OF"], rows);
}

function policyLines({ authorizationPolicies, requestAuthentications }: PodDescription): readonly string[] {
  const policies = authorizationPolicies.map(
    ({ name, action, rules, dryRun }) =>
      `${name}: ${action}, ${rules} ${rules === 1 ? "rule" : "rules"}${dryRun ? " (dry run: not enforced)" : ""}`,
  );
  const tokens = requestAuthentications.map(({ name, issuers }) => `${name}: tokens of ${issuers.join(", ") || "nobody"}`);
  return policies.length + tokens.length === 0
    ? ["everybody: no AuthorizationPolicy or RequestAuthentication is for it"]
    : [...policies, ...tokens];
}

function trafficLines({ services, virtualServices, destinationRules, gateways }: PodDescription): readonly string[] {
  const lines = [
    ...services.map(({ name, ports }) => `${name}: ${ports.join(", ")}`),
    ...[...virtualServices, ...destinationRules, ...gateways],
  ];
  return lines.length === 0 ? ["no Service selects it"] : lines;
}

function problemLines({ proxyStatus, problems }: PodDescription, { colours }: Terminal): readonly string[] {
  const refused = (proxyStatus?.rejected ?? []).map(({ type, name, reason }) => `${colours.red("✗")} refused ${type} ${name}: ${reason}`);
  const waiting = (proxyStatus?.waiting ?? []).map(
    ({ type, name, reason }) => `${colours.yellow("…")} waits for ${type} ${name}: ${reason}`,
  );
  return [...refused, ...waiting, ...problems.map(printDiagnostic)];
}

function section({ out, colours }: Terminal, heading: string, text: string): void {
  out(`\n${colours.bold(heading)}\n${text.replaceAll(/^/gm, "  ")}`);
}
