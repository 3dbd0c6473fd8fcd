// The address of each Service: given from 198.19.0.0/16, kept in its spec for life, free again when it is deleted.

import { acceptedOf, isKind, type Stored } from "../../store/store.ts";
import { type Controller, keyOf, partsOf } from "./controller.ts";
import { objectAt } from "./objects.ts";
import type { ControllerOptions } from "./options.ts";

const prefix = "198.19.";
/** 198.19.0.0 and 198.19.255.255 stay free, and the first 15 addresses, for what the node may need. */
const firstNumber = 16;
const lastNumber = 65_534;

export function clusterIpController({ store, log }: ControllerOptions): Controller {
  const addresses = new Addresses(store.list("Service"));
  return {
    name: "cluster-ip",
    keysOf: ({ type, stored }) => {
      if (!isKind(stored, "Service")) return [];
      if (type !== "DELETED") return [keyOf(stored)];
      addresses.free(stored);
      return [];
    },
    keysAtStart: () => store.list("Service").map(keyOf),
    reconcile: (key) => {
      const { namespace, name } = partsOf(key);
      const service = store.get("Service", namespace, name);
      if (service === undefined) return undefined;
      const { clusterIP = "", type } = service.value.spec;
      if (type === "ExternalName" || clusterIP === "None" || addresses.holds(service, clusterIP)) return undefined;
      if (clusterIP !== "" && addresses.take(service, clusterIP)) return undefined;
      // A requested address that another Service has had first can't be given: it gets one of its own.
      if (clusterIP !== "") log.warn("a requested clusterIP is taken", { service: key, clusterIP });
      const given = addresses.give(service);
      const spec = { ...objectAt(service.raw, "spec"), clusterIP: given, clusterIPs: [given] };
      acceptedOf(store.update({ ...service.raw, spec }));
      return undefined;
    },
  };
}

class Addresses {
  readonly #ownerByAddress = new Map<string, string>();
  readonly #addressByOwner = new Map<string, string>();
  #next = firstNumber;

  constructor(services: readonly Stored<"Service">[]) {
    // Older ones first, so that of two with one address the one that had it keeps it.
    for (const service of services.toSorted((left, right) => left.revision - right.revision)) {
      const { clusterIP = "" } = service.value.spec;
      if (clusterIP !== "" && clusterIP !== "None") this.take(service, clusterIP);
    }
  }

  holds(service: Stored, address: string): boolean {
    return address !== "" && this.#ownerByAddress.get(address) === service.uid;
  }

  /** False when another one has it. */
  take(service: Stored, address: string): boolean {
    const owner = this.#ownerByAddress.get(address);
    if (owner !== undefined && owner !== service.uid) return false;
    this.free(service);
    this.#ownerByAddress.set(address, service.uid);
    this.#addressByOwner.set(service.uid, address);
    return true;
  }

  free(service: Stored): void {
    const address = this.#addressByOwner.get(service.uid);
    if (address !== undefined) this.#ownerByAddress.delete(address);
    this.#addressByOwner.delete(service.uid);
  }

  /** The next free address; an address comes back into use only after a whole round. @throws Error when all are taken. */
  give(service: Stored): string {
    for (let tried = firstNumber; tried <= lastNumber; tried += 1) {
      const address = `${prefix}${this.#next >> 8}.${this.#next & 255}`;
      this.#next = this.#next === lastNumber ? firstNumber : this.#next + 1;
      if (this.take(service, address)) return address;
    }
    throw new Error(`all addresses of ${prefix}0.0/16 are taken`);
  }
}
