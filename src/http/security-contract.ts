// The part of Lateen's own routes that tells of identity: the certificate authority, and each proxy's certificate. Types only.

/** GET /lateen/v1/authority. Times are RFC 3339. */
export interface AuthorityView {
  readonly trustDomain: string;
  /** "plug-in": the CA's files belong to somebody else, who rotates them. */
  readonly source: "own" | "plug-in";
  /** What everybody trusts now; the current one first. */
  readonly roots: readonly RootView[];
  readonly issuer: { readonly notBefore: string; readonly notAfter: string };
  /** A root has only a fifth of its life left. */
  readonly isRootDue: boolean;
  /** Undefined for a plug-in authority. */
  readonly rotation: RotationView | undefined;
}

export interface RootView {
  /** SHA-256 of the certificate, hexadecimal with colons. */
  readonly fingerprint: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

export interface RotationView {
  /** As RootRotation of the authority: "steady" when none is under way. */
  readonly phase: "steady" | "distributing" | "reissuing" | "retiring" | "returning";
  /** Counts the changes; grows with each phase. */
  readonly step: number;
  /** Ids of the proxies that have not acknowledged this phase, sorted; empty when steady. */
  readonly waitingFor: readonly string[];
}

/** What a proxy shows to others. Times are RFC 3339. */
export interface CertificateView {
  readonly spiffeId: string;
  /** Hexadecimal. */
  readonly serial: string;
  readonly issuedAt: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** About when it is renewed (half of its life, give or take a hundredth). */
  readonly renewalAt: string;
}
