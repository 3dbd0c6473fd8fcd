// Words, marks and numbers of the live graph's edges, shared by its views. What nobody reported is "?", never 0.

import { nothingSent } from "../analyze/edges/edge-transport.ts";
import type { GraphNode, MeshEdge } from "../analyze/edges/mesh-edge.ts";
import type { Colours } from "./output.ts";
import { printable } from "./printable.ts";

const encryptions: Readonly<Record<MeshEdge["encryption"], string>> = {
  mtls: "✓ mTLS",
  tls: "✓ TLS",
  application: "✓ own TLS",
  partly: "! partly",
  none: "✗ plaintext",
  unknown: "? unknown",
};

/** How it travels, without colour. */
export function encryptionText(edge: Travelled): string {
  return isSent(edge) ? encryptions[edge.encryption] : "-";
}

/** The same with colour. */
export function colouredEncryption(edge: Travelled, colours: Colours): string {
  const text = encryptionText(edge);
  if (!isSent(edge)) return colours.dim(text);
  if (edge.encryption === "none") return colours.red(text);
  return isOpen(edge) ? colours.yellow(text) : colours.green(text);
}

/** Something of it isn't known to be encrypted. */
export function isOpen(edge: Travelled): boolean {
  return isSent(edge) && (edge.encryption === "none" || edge.encryption === "partly" || edge.encryption === "unknown");
}

/** A connection was made that could be encrypted. */
export function isSent({ encryption, reason = "" }: Travelled): boolean {
  return encryption !== "unknown" || !nothingSent.has(reason);
}

type Travelled = Pick<MeshEdge, "encryption" | "reason">;

/** ● live, ○ idle, ? a gap, ◌ configured and never used; ⇉ before copies. */
export function stateMark({ state, mirrored, failedShare }: MeshEdge, colours: Colours): string {
  const marks = {
    live: (failedShare ?? 0) > 0 ? colours.red("●") : colours.green("●"),
    idle: colours.dim("○"),
    gap: colours.yellow("?"),
    configured: colours.dim("◌"),
  };
  return `${marks[state]}${mirrored ? " ⇉" : ""}`;
}

/** "12.5/s", or connections that are open. */
export function rateText({ state, protocol, requestsPerSecond, open = 0 }: MeshEdge): string {
  if (state === "gap") return "? no data";
  if (state === "configured" || state === "idle") return state;
  if (protocol === "tcp") return `${open} open`;
  return requestsPerSecond === undefined ? "?" : `${number(requestsPerSecond)}/s`;
}

/** "1.2 %" of the requests; "-" without any. */
export function failedText({ failedShare }: MeshEdge, colours: Colours): string {
  if (failedShare === undefined) return "-";
  const percent = failedShare * 100;
  const text = `${percent > 0 && percent < 0.1 ? "<0.1" : percent.toFixed(1)} %`;
  return failedShare > 0 ? colours.red(text) : text;
}

/** Milliseconds of one quantile; "-" without a request. */
export function latencyText({ latency }: MeshEdge, quantile: "p50" | "p95" | "p99"): string {
  return latency === undefined ? "-" : `${number(latency[quantile])} ms`;
}

/** Both directions together, per second. */
export function bytesText({ bytesReceivedPerSecond: received, bytesSentPerSecond: sent }: MeshEdge): string {
  if (received === undefined || sent === undefined) return "?";
  const total = received + sent;
  if (total < 1000) return `${Math.round(total)} B/s`;
  return total < 1e6 ? `${number(total / 1000)} kB/s` : `${number(total / 1e6)} MB/s`;
}

function number(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value === 0 || value >= 0.1 ? value.toFixed(1) : value.toPrecision(1);
}

/** Where an edge leads: "shop/orders-v2 80/http"; the version and the service where the workload's name doesn't tell them. */
export function targetText(edge: MeshEdge): string {
  const { to, version } = edge;
  const shown = version === "unknown" || to.name.endsWith(`-${version}`) ? "" : ` ${version}`;
  const service = serviceText(edge);
  const [, workload = ""] = to.name.split("/");
  const isTold = service === "-" || service === to.name || workload.startsWith(service);
  return printable(`${to.name}${shown}${isTold ? "" : ` (${service})`} ${portText(edge)}`);
}

/** The short name of a service of the mesh, or a host; "-" where only the server counted, who doesn't know by which name it was called. */
export function serviceText({ service, reporter }: MeshEdge): string {
  if (service === "unknown" || reporter === "destination") return "-";
  return service.replace(/\.[^.]+\.svc\.cluster\.local$/, "");
}

/** "80/http"; only the protocol where the port isn't known. */
export function portText({ port, protocol }: Pick<MeshEdge, "port" | "protocol">): string {
  return port === 0 ? protocol : `${port}/${protocol}`;
}

/** Workloads that no edge touches. */
export function aloneIn(nodes: readonly GraphNode[], edges: readonly MeshEdge[]): readonly GraphNode[] {
  const ends = new Set(edges.flatMap(({ from, to }) => [from.name, to.name]));
  return nodes.filter(({ name }) => !ends.has(name));
}
