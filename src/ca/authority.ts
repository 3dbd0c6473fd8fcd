// The mesh's certificate authority: makes workload certificates and says which roots to trust. Its keys live in a directory of its own, or come
// from plug-in files (plug-in-authority.ts). In: an authenticated identity. Out: key and chain for its SDS secret, and the trust bundle.

import { join } from "node:path";
import { Conflict, Unavailable } from "../lib/errors.ts";
import { type AuthorityState, type CaPolicy, newRoot, newState, parseState, repairOf, settled, signingIssuer } from "./authority-state.ts";
import { type ReadCa, readCaCertificate, requireCurrent } from "./ca-certificate.ts";
import {
  defaultLifetimeMs,
  type IssuedCertificate,
  type Issuer,
  issueLeaf,
  type Surroundings,
  systemSurroundings,
  type WorkloadIdentity,
} from "./leaf.ts";
import { type Generation, readGeneration, requirePrivateDirectory, writeGeneration } from "./private-files.ts";
import { decideRootRotation, type RootRotation, type RotationEvent, trustedRoots } from "./root-rotation.ts";
import { decideRootRenewal } from "./rotation.ts";

export interface Authority {
  readonly trustDomain: string;
  /** Makes key and certificate; default lifetime 24 h. @throws MeshError as issueLeaf. */
  issue(identity: WorkloadIdentity, options?: { readonly lifetimeMs?: number }): IssuedCertificate;
  /** The roots to trust, PEM: Envoy's `trusted_ca`. */
  trustBundlePem(): string;
  status(): AuthorityStatus;
  /**
   * Reads the files again and renews what is due; to be called about every minute. True when issuer or bundle changed.
   *
   * @throws MeshError when the files can't be used now; what was read before stays in use.
   */
  refresh(): boolean;
}

export interface AuthorityStatus {
  readonly source: "own" | "plug-in";
  readonly roots: readonly CaStatus[];
  readonly issuer: { readonly notBeforeMs: number; readonly notAfterMs: number; readonly root: string };
  /** Undefined for plug-in files: their owner rotates them. */
  readonly rotation: RootRotation | undefined;
  /** True when a root has only a fifth of its life left. */
  readonly isRootDue: boolean;
}

export interface CaStatus {
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface AuthorityOptions {
  /** Made when missing, mode 0700. */
  readonly directory: string;
  readonly trustDomain: string;
  readonly surroundings?: Surroundings;
  /** Default 10 years (Istio's `CITADEL_SELF_SIGNED_CA_CERT_TTL`). */
  readonly rootLifetimeMs?: number;
  /** Default 1 year: renewed at half of it, which leaves twice the longest life of a leaf. */
  readonly intermediateLifetimeMs?: number;
}

/** What an authority signs with at one time. */
interface Signing {
  readonly issuer: Issuer;
  readonly roots: readonly ReadCa[];
  readonly rotation: RootRotation;
  /** The stored text it was made of. */
  readonly text: string;
}

const fileName = "authority";
const yearMs = 365 * 24 * 3_600_000;
/** More writers than this at the same moment mean that something else is wrong. */
const maxAttempts = 20;

/** An authority with a root of its own; also rotates that root. */
export class OwnAuthority implements Authority {
  readonly trustDomain: string;
  readonly #directory: string;
  readonly #policy: CaPolicy;
  readonly #surroundings: Surroundings;
  #signing: Signing;

  /** Opens the authority of a directory, or makes one; see openAuthority. */
  constructor(options: AuthorityOptions) {
    const { directory, trustDomain, surroundings = systemSurroundings } = options;
    const { rootLifetimeMs = 10 * yearMs, intermediateLifetimeMs = yearMs } = options;
    this.trustDomain = trustDomain;
    this.#directory = directory;
    this.#policy = { trustDomain, rootLifetimeMs, intermediateLifetimeMs };
    this.#surroundings = surroundings;
    requirePrivateDirectory(directory);
    this.#signing = this.#update((state) => state);
  }

  issue(identity: WorkloadIdentity, { lifetimeMs = defaultLifetimeMs }: { readonly lifetimeMs?: number } = {}): IssuedCertificate {
    const { trustDomain = this.trustDomain, namespace, serviceAccount, workload } = identity;
    const id = { trustDomain, namespace, serviceAccount };
    return issueLeaf(this.#signing.issuer, { id, workload, lifetimeMs }, this.#surroundings);
  }

  trustBundlePem(): string {
    return this.#signing.roots.map(({ pem }) => pem).join("");
  }

  status(): AuthorityStatus {
    const { issuer, roots, rotation } = this.#signing;
    const { notBeforeMs, notAfterMs, root } = issuer;
    const now = this.#surroundings.clock.now();
    return {
      source: "own",
      roots: roots.map(caStatus),
      issuer: { notBeforeMs, notAfterMs, root },
      rotation,
      isRootDue: isAnyRootDue(roots, now),
    };
  }

  refresh(): boolean {
    const before = this.#signing.text;
    this.#signing = this.#update((state) => state);
    return this.#signing.text !== before;
  }

  /** Makes the next root and puts it into the bundle. @throws Conflict while another rotation is under way. */
  startRootRotation(): RootRotation {
    this.#signing = this.#update((state) => {
      const root = newRoot(this.#policy, this.#surroundings);
      const rotation = decideRootRotation(state.rotation, { kind: "start", next: root.name });
      if (rotation === state.rotation) {
        throw new Conflict(`a root rotation is under way (${rotation.phase})`, { fix: "wait until it is over, or call it off" });
      }
      return { ...state, roots: [...state.roots, root], rotation };
    });
    return this.#signing.rotation;
  }

  /** Goes on when every proxy acknowledged what `step` asked for; an acknowledgement for another step changes nothing. */
  acknowledgeRootRotation(step: number): RootRotation {
    return this.#rotate({ kind: "acknowledged", step });
  }

  /** Calls a rotation off, as long as the old root is still trusted by all; later it changes nothing. */
  abortRootRotation(): RootRotation {
    return this.#rotate({ kind: "abort" });
  }

  #rotate(event: RotationEvent): RootRotation {
    this.#signing = this.#update((state) => ({ ...state, rotation: decideRootRotation(state.rotation, event) }));
    return this.#signing.rotation;
  }

  /** Reads, changes, settles and writes the stored state; begins again when another process wrote meanwhile. */
  #update(change: (state: AuthorityState) => AuthorityState): Signing {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const stored = readGeneration(this.#directory, fileName);
      const before = stored && parseState(stored.text, this.#where(stored));
      const state = before ?? newState(this.#policy, this.#surroundings);
      if (stored !== undefined) this.#requireCurrentRoots(state, this.#where(stored));
      const next = settled(change(state), this.#policy, this.#surroundings);
      const text = `${JSON.stringify(next, undefined, 2)}\n`;
      if (stored?.text === text) return signingOf(next, text, this.#directory);
      if (writeGeneration(this.#directory, fileName, { number: stored?.number ?? 0, text })) return signingOf(next, text, this.#directory);
    }
    throw new Unavailable(`other processes keep changing the authority in ${this.#directory}`, {
      fix: "let only one control plane use a directory",
    });
  }

  #where({ number }: Generation): string {
    return join(this.#directory, `${fileName}.${number}.json`);
  }

  #requireCurrentRoots({ roots, rotation }: AuthorityState, where: string): void {
    const nowMs = this.#surroundings.clock.now();
    for (const { name, certificatePem } of roots) {
      if (name === rotation.current)
        requireCurrent(readCaCertificate(certificatePem, where), `the root in ${where}`, { nowMs, fix: repairOf(where) });
    }
  }
}

/**
 * Opens the authority of a directory; the first one makes root and intermediate. Several processes may do so at once.
 *
 * @throws UserError when others could read the directory or its files, BadInput when they are damaged or expired, Unavailable when the disk refuses.
 */
export function openAuthority(options: AuthorityOptions): OwnAuthority {
  return new OwnAuthority(options);
}

/** A CA certificate as status shows it. */
export function caStatus({ x509, notBeforeMs, notAfterMs }: ReadCa): CaStatus {
  return { fingerprint: x509.fingerprint256, notBeforeMs, notAfterMs };
}

/** True when a rotation of these roots should begin. */
export function isAnyRootDue(roots: readonly ReadCa[], nowMs: number): boolean {
  return roots.some(
    ({ notBeforeMs, notAfterMs }) => decideRootRenewal({ issuedAtMs: notBeforeMs, notBeforeMs, notAfterMs }, nowMs).kind === "renew",
  );
}

function signingOf(state: AuthorityState, text: string, directory: string): Signing {
  const roots = trustedRoots(state.rotation).flatMap((wanted) =>
    state.roots.filter(({ name }) => name === wanted).map(({ certificatePem }) => readCaCertificate(certificatePem, directory)),
  );
  return { issuer: signingIssuer(state, directory), roots, rotation: state.rotation, text };
}
