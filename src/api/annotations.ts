// Istio's annotations: those we act on, and a warning for every other one, on the object itself and on its pod template.

import type { Finding } from "./finding.ts";
import { isJsonObject } from "./json.ts";

/** Annotations that change something here, as users write them. */
export const annotationsActedOn: readonly string[] = [
  "inject.istio.io/templates",
  "networking.istio.io/exportTo",
  "prometheus.istio.io/merge-metrics",
  "sidecar.istio.io/inject",
  "traffic.sidecar.istio.io/excludeInboundPorts",
  "traffic.sidecar.istio.io/excludeOutboundIPRanges",
  "traffic.sidecar.istio.io/excludeOutboundPorts",
  "traffic.sidecar.istio.io/includeInboundPorts",
  "traffic.sidecar.istio.io/includeOutboundIPRanges",
];

const known = new Set(annotationsActedOn);
const places = [
  ["metadata", "annotations"],
  ["spec", "template", "metadata", "annotations"],
] as const;

/** One warning per annotation of Istio's that has no effect here yet. */
export function annotationFindings(raw: unknown): readonly Finding[] {
  return places.flatMap((path) => {
    const annotations = path.reduce<unknown>((at, step) => (isJsonObject(at) && Object.hasOwn(at, step) ? at[step] : undefined), raw);
    if (!isJsonObject(annotations)) return [];
    return Object.keys(annotations)
      .filter((name) => isIstios(name) && !known.has(name))
      .map((name) => ({
        code: "LTN0109",
        path: [...path, name],
        message: `the annotation \`${name}\` is accepted but has no effect here yet`,
      }));
  });
}

function isIstios(name: string): boolean {
  const domain = name.split("/", 1)[0] ?? "";
  return domain === "istio.io" || domain.endsWith(".istio.io");
}
