// Istio's annotations that leave traffic out of the sidecar (traffic.sidecar.istio.io/*), read into the capture rules' input. Pure.

import type { CaptureSpec } from "../sandbox.ts";

const prefix = "traffic.sidecar.istio.io/";

/** The capture of a pod with these annotations; "*" and absence mean everything. */
export function captureOf(annotations: Readonly<Record<string, string>>): CaptureSpec {
  const words = (name: string): readonly string[] | undefined => {
    const text = annotations[`${prefix}${name}`];
    if (text === undefined || text === "*") return undefined;
    return text
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word !== "");
  };
  const ports = (name: string) =>
    words(name)
      ?.map(Number)
      .filter((port) => Number.isInteger(port) && port > 0 && port < 65_536);
  const spec: { -readonly [Key in keyof CaptureSpec]: CaptureSpec[Key] } = {};
  const includeInboundPorts = ports("includeInboundPorts");
  const excludeInboundPorts = ports("excludeInboundPorts");
  const excludeOutboundPorts = ports("excludeOutboundPorts");
  const includeOutboundIPRanges = words("includeOutboundIPRanges");
  const excludeOutboundIPRanges = words("excludeOutboundIPRanges");
  if (includeInboundPorts !== undefined) spec.includeInboundPorts = includeInboundPorts;
  if (excludeInboundPorts !== undefined) spec.excludeInboundPorts = excludeInboundPorts;
  if (excludeOutboundPorts !== undefined) spec.excludeOutboundPorts = excludeOutboundPorts;
  if (includeOutboundIPRanges !== undefined) spec.includeOutboundIPRanges = includeOutboundIPRanges;
  if (excludeOutboundIPRanges !== undefined) spec.excludeOutboundIPRanges = excludeOutboundIPRanges;
  return spec;
}
