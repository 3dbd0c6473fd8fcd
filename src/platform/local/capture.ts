// Capture rules of a pod as nftables text: which of its TCP goes through the sidecar, and DNS to our server. Pure.
// Two marks keep the proxy's own connections out: 0x539 its upstream sockets, 0x53a delivery to its own application.

import { fabricAddress, podRange } from "./addresses.ts";
import type { CaptureSpec } from "./sandbox.ts";

/** SO_MARK of the proxy's connections (Istio uses the same number as its proxy's user id, 1337). */
export const proxyMark = 0x539;
/** SO_MARK of connections to the pod's own application: never captured in either direction. */
export const deliveryMark = 0x53a;
/** Ports as Istio's sidecar has them. */
export const sidecarPorts = { outbound: 15001, inbound: 15006, dns: 15053 } as const;

/**
 * Ports of the sidecar itself that others may reach: HBONE, agent metrics, health, Envoy's Prometheus page (as istio-iptables excludes). Who may
 * read metrics decides the node, which listens there (node/pod-metrics.ts).
 */
const reachableProxyPorts = [15006, 15008, 15020, 15021, 15090];
/** Ports of the sidecar that nobody outside of the pod may reach. */
const privateProxyPorts = [15000, 15001, 15004, 15053];

/** Ports of OTLP (IANA: gRPC, HTTP) at the fabric's own address, where pods send their spans: never captured. */
export const otlpPorts = [4317, 4318];
/** Port of OFREP (feature flags) at the same address; flagd's. */
export const flagPort = 8016;

const hex = (mark: number): string => `0x${mark.toString(16)}`;
const setOf = (values: readonly (string | number)[]): string => `{ ${[...values].join(", ")} }`;

function rulesFor(condition: string, values: readonly (string | number)[] | undefined, verdict: string): readonly string[] {
  return values === undefined || values.length === 0 ? [] : [`${condition} ${setOf(values)} ${verdict}`];
}

/** An include list that is present but empty captures nothing. */
function includeRules(condition: string, values: readonly (string | number)[] | undefined): readonly string[] {
  if (values === undefined) return [];
  return values.length === 0 ? ["meta l4proto tcp return"] : [`${condition} != ${setOf(values)} return`];
}

function chain(name: string, hook: string, rules: readonly string[]): string {
  return [`  chain ${name} {`, `    ${hook}`, ...rules.map((rule) => `    ${rule}`), "  }"].join("\n");
}

function outboundRules(podAddress: string, capture: CaptureSpec): readonly string[] {
  const selfCall = `oifname "lo" meta mark ${hex(proxyMark)} ip daddr ${podAddress}`;
  return [
    `meta mark ${hex(deliveryMark)} return`,
    ...rulesFor(`${selfCall} tcp dport`, capture.excludeInboundPorts, "return"),
    ...(capture.includeInboundPorts === undefined
      ? [`${selfCall} meta l4proto tcp redirect to :${sidecarPorts.inbound}`]
      : rulesFor(`${selfCall} tcp dport`, capture.includeInboundPorts, `redirect to :${sidecarPorts.inbound}`)),
    `meta mark ${hex(proxyMark)} return`,
    `ip daddr ${fabricAddress} tcp dport ${setOf([...otlpPorts, flagPort])} return`,
    `meta l4proto { tcp, udp } th dport 53 redirect to :${sidecarPorts.dns}`,
    // As istio-iptables: an application that calls its own pod's address talks to itself.
    `oifname "lo" return`,
    ...rulesFor("tcp dport", capture.excludeOutboundPorts, "return"),
    ...rulesFor("ip daddr", capture.excludeOutboundIPRanges, "return"),
    ...includeRules("ip daddr", capture.includeOutboundIPRanges),
    `meta l4proto tcp redirect to :${sidecarPorts.outbound}`,
  ];
}

function inboundRules(capture: CaptureSpec): readonly string[] {
  return [
    ...rulesFor("tcp dport", [...reachableProxyPorts, ...privateProxyPorts].sort(), "return"),
    ...rulesFor("tcp dport", capture.excludeInboundPorts, "return"),
    ...includeRules("tcp dport", capture.includeInboundPorts),
    `meta l4proto tcp redirect to :${sidecarPorts.inbound}`,
  ];
}

/** The ruleset of a pod with a sidecar, for `nft -f` in its network namespace. */
export function captureRules(podAddress: string, capture: CaptureSpec = {}): string {
  return [
    "table inet lateen {",
    chain("out", "type nat hook output priority -100; policy accept;", outboundRules(podAddress, capture)),
    chain("in", "type nat hook prerouting priority -100; policy accept;", inboundRules(capture)),
    // Not redirected above, because a reset for a redirected connection never reaches the client.
    chain("guard", "type filter hook input priority 0; policy accept;", [
      `iifname != "lo" tcp dport ${setOf(privateProxyPorts)} reject with tcp reset`,
    ]),
    "}",
    "",
  ].join("\n");
}

/** The ruleset of a pod without sidecar: DNS only. */
export function plainPodRules(): string {
  return [
    "table inet lateen {",
    chain("out", "type nat hook output priority -110; policy accept;", [
      `meta l4proto { tcp, udp } th dport 53 redirect to :${sidecarPorts.dns}`,
    ]),
    "}",
    "",
  ].join("\n");
}

/** The fabric's ruleset: TCP to the outside world goes to the egress listener; whatever can't go anywhere is refused at once. */
export function fabricRules(egressPort: number | undefined, unroutable: readonly string[]): string {
  const outside = `iifname "br0" ip daddr != ${podRange}`;
  const nowhere = `ip daddr ${setOf(unroutable)}`;
  return [
    "table inet lateen {",
    chain("guard", "type filter hook prerouting priority -150; policy accept;", [
      `iifname "br0" ${nowhere} meta l4proto tcp reject with tcp reset`,
      ...(egressPort === undefined ? [`${outside} meta l4proto tcp reject with tcp reset`] : []),
      `${outside} meta l4proto != tcp reject with icmp type admin-prohibited`,
    ]),
    ...(egressPort === undefined
      ? []
      : [
          chain("egress", "type nat hook prerouting priority -100; policy accept;", [
            `${outside} meta l4proto tcp redirect to :${egressPort}`,
          ]),
        ]),
    "}",
    "",
  ].join("\n");
}
