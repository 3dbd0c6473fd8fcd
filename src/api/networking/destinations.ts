// Every destination a VirtualService sends traffic to, in one walk, so that callers only iterate.

import type { FieldPath } from "../../lib/field-path.ts";
import type { Destination, HttpFaultDelay, HttpRoute, VirtualService } from "./virtual-service.ts";

export interface DestinationUse {
  /** From the resource's root to the destination, for example ["spec", "http", 0, "route", 1, "destination"]. */
  readonly path: FieldPath;
  readonly destination: Destination;
  readonly of: "http" | "mirror" | "tcp" | "tls";
}

/** All destinations: http routes, then their mirrors, tcp, tls; in document order. */
export function* destinationsOf(virtualService: VirtualService): Generator<DestinationUse> {
  const { http, tcp, tls } = virtualService.spec;
  for (const [index, route] of http.entries()) yield* httpDestinations(route, ["spec", "http", index]);
  for (const [index, route] of tcp.entries()) yield* l4Destinations(route.route, "tcp", ["spec", "tcp", index]);
  for (const [index, route] of tls.entries()) yield* l4Destinations(route.route, "tls", ["spec", "tls", index]);
}

function* httpDestinations(route: HttpRoute, at: FieldPath): Generator<DestinationUse> {
  for (const [index, { destination }] of route.route.entries()) {
    yield { path: [...at, "route", index, "destination"], destination, of: "http" };
  }
  if (route.mirror !== undefined) yield { path: [...at, "mirror"], destination: route.mirror, of: "mirror" };
  for (const [index, { destination }] of route.mirrors.entries()) {
    yield { path: [...at, "mirrors", index, "destination"], destination, of: "mirror" };
  }
}

function* l4Destinations(
  list: readonly { readonly destination: Destination }[],
  of: "tcp" | "tls",
  at: FieldPath,
): Generator<DestinationUse> {
  for (const [index, { destination }] of list.entries()) yield { path: [...at, "route", index, "destination"], destination, of };
}

export interface Mirror {
  readonly destination: Destination;
  /** 0 to 100. */
  readonly percent: number;
}

/** A route's mirrors whichever way they are spelt; 100 % when no percentage is given (HTTPRoute.mirror_percentage). */
export function mirrorsOf(route: HttpRoute): readonly Mirror[] {
  const legacyPercent = route.mirrorPercentage?.value ?? route.mirrorPercent ?? route.mirror_percent ?? 100;
  const legacy = route.mirror === undefined ? [] : [{ destination: route.mirror, percent: legacyPercent }];
  return [...legacy, ...route.mirrors.map(({ destination, percentage }) => ({ destination, percent: percentage?.value ?? 100 }))];
}

/** Share of requests a delay hits, 0 to 100; none when no percentage is given (HTTPFaultInjection.Delay, as Istio acts on it). */
export function delayPercentOf(delay: HttpFaultDelay): number {
  return delay.percentage?.value ?? delay.percent ?? 0;
}
