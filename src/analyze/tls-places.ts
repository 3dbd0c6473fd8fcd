// Every place of a DestinationRule that has a tls block, with the ports it is for.

import type { ClientTlsSettings, DestinationRule, TrafficPolicy } from "../api/networking/destination-rule.ts";
import type { FieldPath } from "../lib/field-path.ts";

export interface TlsPlace {
  /** Of the tls block. */
  readonly path: FieldPath;
  readonly tls: ClientTlsSettings;
  /** Of the service; undefined for all that have no settings of their own. */
  readonly port: number | undefined;
  /** Ports that have settings of their own, and so don't take these (Istio: nothing is inherited by them). */
  readonly otherPorts: readonly number[];
}

/** In the order of the rule's fields. */
export function tlsPlaces({ spec }: DestinationRule): readonly TlsPlace[] {
  return [
    ...placesIn(spec.trafficPolicy, ["spec", "trafficPolicy"]),
    ...spec.subsets.flatMap(({ trafficPolicy }, index) => placesIn(trafficPolicy, ["spec", "subsets", index, "trafficPolicy"])),
  ];
}

function placesIn(policy: TrafficPolicy | undefined, path: FieldPath): readonly TlsPlace[] {
  if (policy === undefined) return [];
  const otherPorts = policy.portLevelSettings.map(({ port }) => port.number);
  const own = policy.tls === undefined ? [] : [{ path: [...path, "tls"], tls: policy.tls, port: undefined, otherPorts }];
  const ofPorts = policy.portLevelSettings.flatMap(({ tls, port }, index) =>
    tls === undefined ? [] : [{ path: [...path, "portLevelSettings", index, "tls"], tls, port: port.number, otherPorts: [] }],
  );
  return [...own, ...ofPorts];
}
