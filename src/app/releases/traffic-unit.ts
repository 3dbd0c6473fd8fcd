// What the traffic of a Release's service is counted in, before any was seen: connections where all of its ports are TCP. Release + snapshot → unit.

import type { Release } from "../../api/release/release.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { servicePortProtocol } from "../../model/protocol.ts";
import type { TrafficUnit } from "../../release/observation.ts";

/** Of the service's ports, as they are declared; TLS that only passes is connections too. */
export function trafficUnitOf({ metadata, spec }: Release, snapshot: Snapshot): TrafficUnit {
  const ports = snapshot.get("Service", metadata.namespace, spec.service)?.spec.ports ?? [];
  const protocols = ports.map(({ port, name = "", appProtocol, protocol }) =>
    servicePortProtocol({ number: port, name, appProtocol, transport: protocol }),
  );
  const isTcp = protocols.length > 0 && protocols.every((protocol) => protocol === "tcp" || protocol === "tls" || protocol === "https");
  return isTcp ? "connections" : "requests";
}
