// Which ports of headless services must be spoken to in plaintext: their clients choose the address, so there is one setting for all.

import { memoLast, memoObject, sameItems } from "../../model/memo.ts";
import type { Endpoint, Mesh, MeshService, ServicePort } from "../../model/mesh.ts";
import { mtlsModeOf } from "../../model/policies.ts";

/** A port in the set that `createPlaintextPorts` makes. */
export function plaintextPort(service: MeshService, { number }: Pick<ServicePort, "number">): string {
  return `${service.id}:${number}`;
}

/** Ports where at least one endpoint's proxy does not accept mutual TLS, or has none; the same set as long as it equals the last one. */
export function createPlaintextPorts(): (services: Mesh["services"], endpoints: Mesh["endpoints"]) => ReadonlySet<string> {
  let last: readonly string[] = [];
  let set: ReadonlySet<string> = new Set();
  return memoLast((services: Mesh["services"], endpoints: Mesh["endpoints"]) => {
    const ports = [...services.values()]
      .filter(({ headless }) => headless)
      .flatMap((service) => plaintextNumbers(endpoints.get(service.id) ?? noEndpoints).map((number) => plaintextPort(service, { number })));
    if (!sameItems(last, ports)) {
      last = ports;
      set = new Set(ports);
    }
    return set;
  });
}

const noEndpoints: readonly Endpoint[] = [];

const plaintextNumbers = memoObject((endpoints: readonly Endpoint[]): readonly number[] => {
  const numbers = endpoints.flatMap(({ mtls, ports }) =>
    Object.entries(ports)
      .filter(([, target]) => mtls === undefined || mtlsModeOf(mtls, target) === "DISABLE")
      .map(([number]) => Number(number)),
  );
  return [...new Set(numbers)].sort((a, b) => a - b);
});
