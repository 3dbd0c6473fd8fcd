// Host ports of the ingress gateway: each is forwarded to a ready gateway pod; connections that come too early wait for the first one.

import type { Server } from "node:net";
import type { Fabric, Forward, ForwardTarget } from "../sandbox.ts";

export interface GatewayTargets {
  readonly port: number;
  readonly endpoints: readonly ForwardTarget[];
}

export class GatewayForwarder {
  readonly #fabric: Fabric;
  readonly #forwards = new Map<number, Forward>();
  #targets: readonly GatewayTargets[] = [];

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** Takes over a listening socket of the host for a gateway port. */
  add(port: number, server: Server): void {
    this.#forwards.set(port, this.#fabric.forward(server, this.#targetOf(port)));
  }

  /** Takes in where the gateways are now. */
  update(targets: readonly GatewayTargets[]): void {
    this.#targets = targets;
    for (const [port, forward] of this.#forwards) forward.retarget(this.#targetOf(port));
  }

  #targetOf(port: number): ForwardTarget {
    const endpoint = this.#targets.find((target) => target.port === port)?.endpoints[0];
    if (endpoint !== undefined) return endpoint;
    // A port that the gateway's Service doesn't list is the gateway's own.
    const address = this.#targets.flatMap(({ endpoints }) => endpoints)[0]?.address;
    // Nobody listens at the fabric's own address: the connection is refused, as on a host without a server.
    return { address: address ?? this.#fabric.address, port };
  }
}
