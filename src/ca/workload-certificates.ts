// The certificates in use, one per identity: made when first asked for, the same until renewed, renewed when due. In: an authority and who is
// connected. Out: what goes into each proxy's SDS secret, and whose secret changed.

import { MeshError } from "../lib/errors.ts";
import type { Authority } from "./authority.ts";
import { type IssuedCertificate, type Surroundings, systemSurroundings, type WorkloadIdentity } from "./leaf.ts";
import { decideLeafRenewal } from "./rotation.ts";

interface Held {
  readonly identity: WorkloadIdentity;
  readonly certificate: IssuedCertificate;
  /** In [0, 1): the jitter of its renewal. */
  readonly random: number;
  /** Somebody asked for another one. */
  isExpired: boolean;
}

export interface RenewalRound {
  /** Whose certificate is a new one. */
  readonly renewed: readonly WorkloadIdentity[];
  /** True when the limit was reached and others are still due. */
  readonly isMoreDue: boolean;
  /** Why one couldn't be renewed; the old ones stay. */
  readonly problem: MeshError | undefined;
}

export interface WorkloadCertificatesOptions {
  readonly authority: Authority;
  readonly surroundings?: Surroundings;
  /** Default: the authority's, 24 h. */
  readonly lifetimeMs?: number;
}

/** Renewals in one go: about 20 ms of one core, so that a push never waits long behind a mass renewal. */
const defaultLimit = 100;

/** Holds the certificates of the workloads that are connected. */
export class WorkloadCertificates {
  readonly #authority: Authority;
  readonly #surroundings: Surroundings;
  readonly #options: { readonly lifetimeMs?: number };
  readonly #held = new Map<string, Held>();
  #issued = 0;

  constructor({ authority, surroundings = systemSurroundings, lifetimeMs }: WorkloadCertificatesOptions) {
    this.#authority = authority;
    this.#surroundings = surroundings;
    this.#options = lifetimeMs === undefined ? {} : { lifetimeMs };
  }

  /** The identity's certificate; the same one until it is renewed or over. @throws MeshError as Authority.issue */
  certificateOf(identity: WorkloadIdentity): IssuedCertificate {
    const held = this.#held.get(keyOf(identity));
    const isOver = held === undefined || this.#surroundings.clock.now() >= held.certificate.notAfterMs;
    return isOver ? this.#renew(identity) : held.certificate;
  }

  /** Renews what is due, at most `limit` at once; to be called about every second, and after each step of a root rotation. */
  renewDue(limit = defaultLimit): RenewalRound {
    const signingRoot = this.#authority.status().issuer.root;
    const nowMs = this.#surroundings.clock.now();
    const due = [...this.#held.values()].filter(
      ({ certificate, random, isExpired }) => isExpired || decideLeafRenewal(certificate, signingRoot, { random, nowMs }).kind === "renew",
    );
    const renewed: WorkloadIdentity[] = [];
    try {
      for (const { identity } of due.slice(0, limit)) {
        this.#renew(identity);
        renewed.push(identity);
      }
    } catch (error) {
      return { renewed, isMoreDue: false, problem: MeshError.from(error) };
    }
    return { renewed, isMoreDue: due.length > limit, problem: undefined };
  }

  /** Lets `renewDue` renew every certificate that was made until now, whatever its age. */
  expireAll(): void {
    for (const held of this.#held.values()) held.isExpired = true;
  }

  /** How many are held. */
  get size(): number {
    return this.#held.size;
  }

  /** How many were made since the start. */
  get issued(): number {
    return this.#issued;
  }

  /** Forgets all but these: their keys are for nobody any more. */
  retain(identities: readonly WorkloadIdentity[]): void {
    const keep = new Set(identities.map(keyOf));
    for (const key of this.#held.keys()) if (!keep.has(key)) this.#held.delete(key);
  }

  #renew(identity: WorkloadIdentity): IssuedCertificate {
    const certificate = this.#authority.issue(identity, this.#options);
    this.#issued += 1;
    const [high = 0, low = 0] = this.#surroundings.randomBytes(2);
    this.#held.set(keyOf(identity), { identity, certificate, random: (high * 256 + low) / 65_536, isExpired: false });
    return certificate;
  }
}

function keyOf({ trustDomain, namespace, serviceAccount, workload }: WorkloadIdentity): string {
  return JSON.stringify([trustDomain, namespace, serviceAccount, workload?.name, workload?.version]);
}
