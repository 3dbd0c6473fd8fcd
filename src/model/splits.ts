// The splits of http routes as they should be now: written weights, divided by releases, without members that have no endpoints.

import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import type { ResolvedDestination } from "./client.ts";
import { KeyedMemo } from "./memo.ts";
import type { Endpoint } from "./mesh.ts";
import { dividedWeights } from "./releases/shares.ts";
import type { SplitSource } from "./virtual-services.ts";
import type { CurrentSplit } from "./weights.ts";
import { effectiveWeights, sameWeights, weightTotal } from "./weights.ts";

export interface SplitInputs {
  readonly sources: ReadonlyMap<string, SplitSource>;
  /** By "<namespace>/<name>". */
  readonly virtualServices: ReadonlyMap<string, VirtualService>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Of releases by name; see releases/shares.ts. */
  readonly shares: ReadonlyMap<string, readonly number[]>;
}

/** Endpoints of one destination; empty when its service or subset does not exist. */
export function destinationEndpoints(
  destination: ResolvedDestination,
  endpoints: ReadonlyMap<string, readonly Endpoint[]>,
): readonly Endpoint[] {
  const { service, labels, port } = destination;
  const all = service === undefined ? undefined : endpoints.get(service.id);
  if (all === undefined || labels === undefined) return [];
  return subsetEndpoints(all, { labels, port });
}

/** The endpoints that have all labels and serve the port. */
export function subsetEndpoints(
  endpoints: readonly Endpoint[],
  { labels, port }: { readonly labels: Readonly<Record<string, string>>; readonly port: number },
): readonly Endpoint[] {
  return endpoints.filter((endpoint) => endpoint.ports[port] !== undefined && labelsMatch(labels, endpoint.labels));
}

/** Whether requests to a destination can be answered by somebody. */
function isUsable(destination: ResolvedDestination, endpoints: ReadonlyMap<string, readonly Endpoint[]>): boolean {
  return destination.service?.resolution === "original-dst" || destinationEndpoints(destination, endpoints).length > 0;
}

/** Computes all splits by prefix; a split that did not change keeps its object. */
export function createSplitIndex(): (inputs: SplitInputs) => ReadonlyMap<string, CurrentSplit> {
  const memo = new KeyedMemo<CurrentSplit>();
  const kept = new Map<string, CurrentSplit>();
  return ({ sources, virtualServices, endpoints, shares }) => {
    memo.generation();
    const result = new Map<string, CurrentSplit>();
    for (const [prefix, source] of sources) {
      const virtualService = virtualServices.get(source.virtualService);
      const route = virtualService?.spec.http[source.routeIndex]?.route ?? [];
      const behind = source.members.map(({ service }) => (service === undefined ? undefined : endpoints.get(service.id)));
      const dividing = (source.groups ?? []).map(({ release }) => (release === undefined ? undefined : shares.get(release)));
      const split = memo.get(prefix, [source, virtualService, ...dividing, ...behind], () => {
        const usable = source.members.map((member) => isUsable(member, endpoints));
        const weights =
          source.groups === undefined
            ? effectiveWeights(usable.map((each, index) => ({ weight: route[index]?.weight ?? 0, usable: each })))
            : dividedWeights({ groups: source.groups, weights: writtenWeights(route), shares, usable });
        return { weights, members: source.members.map(({ cluster }) => cluster), structure: source.structure };
      });
      result.set(prefix, keptSplit(kept, prefix, split));
    }
    for (const prefix of kept.keys()) if (!sources.has(prefix)) kept.delete(prefix);
    return result;
  };
}

/** Of a route that no VirtualService has (a service's own), or that has one destination: all of it. */
function writtenWeights(route: readonly { readonly weight?: number | undefined }[]): readonly number[] {
  return route.length < 2 ? [weightTotal] : route.map(({ weight }) => weight ?? 0);
}

function keptSplit(kept: Map<string, CurrentSplit>, prefix: string, split: CurrentSplit): CurrentSplit {
  const known = kept.get(prefix);
  if (known !== undefined && known.structure === split.structure && sameWeights(known.weights, split.weights)) return known;
  kept.set(prefix, split);
  return split;
}
