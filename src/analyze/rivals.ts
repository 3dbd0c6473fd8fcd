// Two objects that want the same thing: which one counts, and which one is left out. The oldest wins, as in the model.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf, type Finding } from "../api/finding.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import type { KindName } from "../api/registry.ts";
import type { NamespacedMeta } from "../api/resource.ts";
import type { Visibility } from "../model/mesh.ts";
import { visibilityOf } from "../model/visibility.ts";
import { type Directory, nameOf } from "./directory.ts";

interface Claim {
  readonly kind: KindName;
  readonly metadata: NamespacedMeta;
  readonly path: Finding["path"];
  /** Rivals are claims with the same key. */
  readonly key: string;
  readonly visibility: Visibility;
  /** "the host x". */
  readonly what: string;
}

/** VirtualServices for one host on the mesh; at gateways they are merged, as Istio does. */
export function checkVirtualServiceRivals(directory: Directory): readonly Diagnostic[] {
  const claims = directory.virtualServices
    .filter(({ spec }) => spec.gateways.includes(meshGateway))
    .flatMap(({ metadata, spec }) =>
      spec.hosts.map((name, index) => {
        const host = directory.resolve(name, metadata.namespace);
        const visibility = visibilityOf(spec.exportTo, metadata.namespace);
        return {
          kind: "VirtualService" as const,
          metadata,
          path: ["spec", "hosts", index],
          key: host,
          visibility,
          what: `the host ${host} on the mesh`,
        };
      }),
    );
  return rivals(claims, "LTN0704");
}

/** Subsets of one host that two DestinationRules of a namespace define. */
export function checkSubsetRivals(directory: Directory): readonly Diagnostic[] {
  const claims = directory.destinationRules.flatMap(({ metadata, spec }) =>
    spec.subsets.map(({ name }, index) => {
      const host = directory.resolve(spec.host, metadata.namespace);
      const key = `${metadata.namespace} ${host} ${name}`;
      const visibility = visibilityOf(spec.exportTo, metadata.namespace);
      return {
        kind: "DestinationRule" as const,
        metadata,
        path: ["spec", "subsets", index, "name"],
        key,
        visibility,
        what: `the subset "${name}" of ${host}`,
      };
    }),
  );
  return rivals(claims, "LTN0705");
}

/** Hosts of ServiceEntries that a Service or an older ServiceEntry of the namespace has. */
export function checkHostRivals(directory: Directory): readonly Diagnostic[] {
  const claims = directory.serviceEntries.flatMap(({ metadata, spec }) =>
    spec.hosts.map((name, index) => {
      const host = name.toLowerCase();
      const visibility = visibilityOf(spec.exportTo, metadata.namespace);
      return {
        kind: "ServiceEntry" as const,
        metadata,
        path: ["spec", "hosts", index],
        key: `${metadata.namespace} ${host}`,
        visibility,
        what: `the host ${host}`,
        host,
      };
    }),
  );
  const onServices = claims.flatMap((claim) => {
    const service = directory.hosts.get(claim.host)?.find(({ source }) => source.startsWith("Service "));
    if (service === undefined) return [];
    const message = `${claim.what} is that of ${service.source}; this ServiceEntry is left out for it`;
    return [diagnosticOf({ code: "LTN0708", path: claim.path, message }, nameOf(claim.kind, claim.metadata))];
  });
  return [...onServices, ...rivals(claims, "LTN0708")];
}

/** Claims come oldest first; every later one with the same key and common readers is left out. */
function rivals(claims: readonly Claim[], code: "LTN0704" | "LTN0705" | "LTN0708"): readonly Diagnostic[] {
  return [...Map.groupBy(claims, ({ key }) => key).values()].flatMap((group) =>
    group.flatMap((claim, index) => {
      const winner = group
        .slice(0, index)
        .find((earlier) => earlier.metadata !== claim.metadata && overlap(earlier.visibility, claim.visibility));
      if (winner === undefined) return [];
      const older = nameOf(winner.kind, winner.metadata);
      const message = `${claim.what} is claimed by ${older} already, which is older; this ${claim.kind} is left out for it`;
      return [
        diagnosticOf(
          { code, path: claim.path, message, fix: `Merge it into ${older}, or remove one of them.` },
          nameOf(claim.kind, claim.metadata),
        ),
      ];
    }),
  );
}

function overlap(a: Visibility, b: Visibility): boolean {
  if (a === "all") return b === "all" || b.size > 0;
  if (b === "all") return a.size > 0;
  return [...a].some((namespace) => b.has(namespace));
}
