// Users' routes -> the version that holds the traffic before there is any release: without it, a Release of a service whose routes name the newest
// version would take everybody back to the oldest. Pure.

import { resolveHost, serviceHost } from "../../api/hosts.ts";
import type { Destination, VirtualService } from "../../api/networking/virtual-service.ts";
import type { Release } from "../../api/release/release.ts";
import type { Snapshot } from "../../api/snapshot.ts";

/** The version that more than half of the Service's routed traffic goes to; undefined where routes name no version, or none has so much. */
export function routedVersion({ metadata, spec }: Release, snapshot: Snapshot): string | undefined {
  const { namespace } = metadata;
  const host = serviceHost(spec.service, namespace);
  const resolved = (name: string, from: string) => resolveHost(name, from, (fqdn) => fqdn === host);
  const versions = new Map(
    snapshot
      .list("DestinationRule")
      .filter((rule) => resolved(rule.spec.host, rule.metadata.namespace) === host)
      .flatMap((rule) => rule.spec.subsets.map(({ name, labels }) => [name, labels[spec.versions.label]] as const)),
  );
  const shares = new Map<string | undefined, number>();
  let whole = 0;
  for (const virtualService of snapshot.list("VirtualService")) {
    for (const { destination, share } of sharesOf(virtualService)) {
      if (resolved(destination.host, virtualService.metadata.namespace) !== host) continue;
      const version = destination.subset === undefined ? undefined : versions.get(destination.subset);
      shares.set(version, (shares.get(version) ?? 0) + share);
      whole += share;
    }
  }
  return [...shares].find(([, share]) => 2 * share > whole)?.[0];
}

interface Weighted {
  readonly destination: Destination;
  readonly weight?: number | undefined;
}

/** Each destination with its part of its route, 0 to 1. Routes for chosen requests count only where there is none for everybody. */
function sharesOf({ spec }: VirtualService): readonly { readonly destination: Destination; readonly share: number }[] {
  const forAll = spec.http.filter(({ match }) => match.length === 0);
  const routes: readonly (readonly Weighted[])[] = [
    ...(forAll.length > 0 ? forAll : spec.http).map(({ route }) => route),
    ...[...spec.tcp, ...spec.tls].map(({ route }) => route),
  ];
  return routes.flatMap((route) => {
    const total = route.reduce((sum, { weight = 0 }) => sum + weight, 0);
    return route.map(({ destination, weight = 0 }) => ({ destination, share: total > 0 ? weight / total : 1 / route.length }));
  });
}
