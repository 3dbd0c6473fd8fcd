// VirtualServices on the mesh for hosts that nothing in the mesh has: sidecars never see requests for them as the author expects.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { hostMatches, isWildcard } from "../api/hosts.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import { type Directory, knownHosts, nameOf } from "./directory.ts";

/** Hosts of mesh VirtualServices that are no Service and no ServiceEntry. */
export function checkMeshHosts(directory: Directory): readonly Diagnostic[] {
  return directory.virtualServices
    .filter(({ spec }) => spec.gateways.includes(meshGateway) && spec.gateways.length === 1)
    .flatMap(({ metadata, spec }) =>
      spec.hosts.flatMap((name, index) => {
        const host = directory.resolve(name, metadata.namespace);
        if (isKnown(directory, host)) return [];
        const message = `no Service or ServiceEntry has the host "${name}"${host === name ? "" : ` (${host})`}`;
        return [diagnosticOf({ code: "LTN0715", path: ["spec", "hosts", index], message }, nameOf("VirtualService", metadata))];
      }),
    );
}

function isKnown(directory: Directory, host: string): boolean {
  if (knownHosts(directory, host).length > 0) return true;
  return isWildcard(host) && [...directory.hosts.keys()].some((known) => hostMatches(host, known));
}
