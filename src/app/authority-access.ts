// What the view tells people about identity: certificates and authority as the running parts know them, in the HTTP API's words.

import type { AuthorityStatus } from "../ca/authority.ts";
import { renewalTimeOf } from "../ca/rotation.ts";
import type { CertificateView } from "../http/contract.ts";
import type { AuthorityView } from "../http/security-contract.ts";

/** A certificate in use, without its key. */
export interface CertificateFacts {
  readonly spiffeId: string;
  /** Hexadecimal. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly issuedAtMs: number;
}

/** What the engine tells about the mesh's authority, and does with its root. */
export interface AuthorityAccess {
  /** Undefined while the proxy has none (not connected yet). */
  certificateOf(proxyId: string): CertificateFacts | undefined;
  /** The authority's status, its trust domain, and the ids of proxies that have not acknowledged the rotation's step. */
  authorityStatus(): AuthorityStatus & {
    readonly trustDomain: string;
    readonly waitingFor: readonly string[];
    readonly problem: string | undefined;
  };
  /** @throws Conflict while a rotation is under way; UserError for a plug-in authority. */
  startRootRotation(): void;
  /** Renews every workload's certificate now; how many there are. */
  renewCertificates(): number;
  /** Calls a rotation off as long as that is possible, else changes nothing. */
  abortRootRotation(): void;
}

/** The authority as people see it. */
export function authorityView(access: AuthorityAccess): AuthorityView {
  const { trustDomain, source, roots, issuer, rotation, isRootDue, waitingFor, problem } = access.authorityStatus();
  return {
    trustDomain,
    source,
    roots: roots.map(({ fingerprint, notBeforeMs, notAfterMs }) => ({
      fingerprint,
      notBefore: textOf(notBeforeMs),
      notAfter: textOf(notAfterMs),
    })),
    issuer: { notBefore: textOf(issuer.notBeforeMs), notAfter: textOf(issuer.notAfterMs) },
    isRootDue,
    ...(problem === undefined ? {} : { problem }),
    rotation:
      rotation === undefined
        ? undefined
        : { phase: rotation.phase, step: rotation.step, waitingFor: rotation.phase === "steady" ? [] : waitingFor.toSorted() },
  };
}

/** A certificate as people see it. */
export function certificateView(facts: CertificateFacts): CertificateView {
  const { spiffeId, serial, issuedAtMs, notBeforeMs, notAfterMs } = facts;
  return {
    spiffeId,
    serial,
    issuedAt: textOf(issuedAtMs),
    notBefore: textOf(notBeforeMs),
    notAfter: textOf(notAfterMs),
    renewalAt: textOf(renewalTimeOf(facts, 0.5)),
  };
}

function textOf(ms: number): string {
  return new Date(ms).toISOString();
}
