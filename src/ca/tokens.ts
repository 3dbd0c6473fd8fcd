// Service-account tokens as Kubernetes makes them: signed, for named audiences, bound to a pod, an hour long. Made for a pod by the control plane,
// reviewed when a proxy shows one. A refusal says one constant sentence; the reason is for our own log.

import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { isDnsLabel, isDnsSubdomain } from "../api/names.ts";
import { BadInput, MeshError } from "../lib/errors.ts";
import type { TokenKeys } from "./jwks.ts";
import { type Surroundings, systemSurroundings } from "./leaf.ts";

/** An object a token is bound to: it dies with this very object, not with its name. */
export interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: BoundObject;
  readonly pod?: BoundObject | undefined;
}

export interface TokenRequest extends TokenSubject {
  readonly audiences: readonly string[];
  /** Default 1 h (Kubernetes' `expirationSeconds`). */
  readonly lifetimeMs?: number;
}

/** Why a token was refused; for log and metric, never for the caller. */
export type TokenRefusal =
  | "too long"
  | "malformed"
  | "algorithm"
  | "unknown key"
  | "signature"
  | "expired"
  | "not yet valid"
  | "issuer"
  | "audience"
  | "claims"
  | "revoked";

export type TokenReview =
  | { readonly authenticated: true; readonly subject: TokenSubject; readonly audiences: readonly string[]; readonly expiresAtMs: number }
  | { readonly authenticated: false; readonly message: typeof refusedMessage; readonly reason: TokenRefusal };

/** All that a caller learns. */
export const refusedMessage = "the token is not valid";

export interface TokenServiceOptions {
  readonly keys: TokenKeys;
  /** The `iss` claim, e.g. "https://kubernetes.default.svc.cluster.local" as in a cluster. */
  readonly issuer: string;
  readonly surroundings?: Surroundings;
  /** Whether what the token is bound to still exists, uid included. */
  readonly isAlive: (subject: TokenSubject) => boolean;
}

export interface TokenService {
  /** @throws BadInput for names that are none, MeshError bad_request for audiences or lifetimes out of bounds. */
  issue(request: TokenRequest): Promise<{ readonly token: string; readonly expiresAtMs: number }>;
  /** Never throws, whatever the token is. */
  review(token: string, audience: string): Promise<TokenReview>;
}

const hourMs = 3_600_000;
/** Longest token in characters: ours have about 700; a header of a request can't be longer than 16 KiB in Node. */
const maxTokenLength = 8192;
/** Seconds that clocks may differ. */
const clockToleranceSeconds = 5;
const algorithm = "ES256";

const boundSchema = z.object({ name: z.string().refine(isDnsSubdomain), uid: z.string().min(1).max(128) });
const claimsSchema = z.object({
  sub: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  "kubernetes.io": z.object({ namespace: z.string().refine(isDnsLabel), serviceaccount: boundSchema, pod: boundSchema.optional() }),
});

/** Makes and reviews tokens with these keys. */
export function tokenService({ keys, issuer, surroundings = systemSurroundings, isAlive }: TokenServiceOptions): TokenService {
  const { clock, randomBytes } = surroundings;
  return {
    issue: (request) => issue(request, { keys, issuer, nowMs: clock.now(), id: Buffer.from(randomBytes(16)).toString("hex") }),
    review: async (token, audience) => {
      try {
        const claims = await verifiedClaims(token, { keys, issuer, audience, nowMs: clock.now() });
        return isAlive(claims.subject) ? { authenticated: true, ...claims } : refused("revoked");
      } catch (error) {
        return refused(reasonOf(error));
      }
    },
  };
}

interface IssueContext {
  readonly keys: TokenKeys;
  readonly issuer: string;
  readonly nowMs: number;
  readonly id: string;
}

async function issue(request: TokenRequest, { keys, issuer, nowMs, id }: IssueContext) {
  const { namespace, serviceAccount, pod, audiences, lifetimeMs = hourMs } = request;
  checkRequest(request, lifetimeMs);
  const { kid, key } = keys.signer();
  const issuedAt = Math.floor(nowMs / 1000);
  const expiresAt = issuedAt + Math.floor(lifetimeMs / 1000);
  const bound = { namespace, ...(pod && { pod: boundOf(pod) }), serviceaccount: boundOf(serviceAccount) };
  const token = await new SignJWT({ "kubernetes.io": bound })
    .setProtectedHeader({ alg: algorithm, kid })
    .setIssuer(issuer)
    .setSubject(subjectText(namespace, serviceAccount.name))
    .setAudience([...audiences])
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(expiresAt)
    .setJti(id)
    .sign(key);
  return { token, expiresAtMs: expiresAt * 1000 };
}

function checkRequest({ namespace, serviceAccount, pod, audiences }: TokenRequest, lifetimeMs: number): void {
  const isNamed = isDnsLabel(namespace) && [serviceAccount, ...(pod ? [pod] : [])].every((bound) => boundSchema.safeParse(bound).success);
  if (!isNamed)
    throw new BadInput("a token needs valid names and uids of namespace, service account and pod", { fix: "take them from the objects" });
  if (audiences.length === 0 || audiences.includes("")) {
    throw new MeshError("bad_request", "a token needs an audience", { fix: "name who is to accept it" });
  }
  if (!(lifetimeMs >= 1000 && lifetimeMs <= 24 * hourMs)) {
    throw new MeshError("bad_request", `a token can't live ${lifetimeMs} ms`, { fix: "ask for 1 second to 24 hours" });
  }
}

interface VerifyContext {
  readonly keys: TokenKeys;
  readonly issuer: string;
  readonly audience: string;
  readonly nowMs: number;
}

/** A refusal on its way to review(). */
class Refusal extends Error {
  readonly reason: TokenRefusal;

  constructor(reason: TokenRefusal) {
    super(reason);
    this.reason = reason;
  }
}

async function verifiedClaims(token: string, { keys, issuer, audience, nowMs }: VerifyContext) {
  if (token.length > maxTokenLength) throw new Refusal("too long");
  const keyOf = ({ kid }: JWTHeaderParameters) => {
    const key = kid === undefined ? undefined : keys.verifier(kid);
    if (key === undefined) throw new Refusal("unknown key");
    return key;
  };
  const { payload } = await jwtVerify(token, keyOf, {
    algorithms: [algorithm],
    issuer,
    audience,
    currentDate: new Date(nowMs),
    clockTolerance: clockToleranceSeconds,
    requiredClaims: ["iss", "sub", "aud", "exp", "nbf", "iat"],
  });
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success) throw new Refusal("claims");
  const { sub, aud, exp, "kubernetes.io": bound } = claims.data;
  if (sub !== subjectText(bound.namespace, bound.serviceaccount.name)) throw new Refusal("claims");
  const subject = { namespace: bound.namespace, serviceAccount: bound.serviceaccount, pod: bound.pod };
  return { subject, audiences: [aud].flat(), expiresAtMs: exp * 1000 };
}

function reasonOf(error: unknown): TokenRefusal {
  if (error instanceof Refusal) return error.reason;
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (!(error instanceof errors.JWTClaimValidationFailed)) return "malformed";
  if (error.reason === "missing") return "claims";
  const byClaim: Readonly<Record<string, TokenRefusal>> = { iss: "issuer", aud: "audience", nbf: "not yet valid", iat: "not yet valid" };
  return byClaim[error.claim] ?? "claims";
}

function refused(reason: TokenRefusal): TokenReview {
  return { authenticated: false, message: refusedMessage, reason };
}

function subjectText(namespace: string, serviceAccount: string): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`;
}

function boundOf({ name, uid }: BoundObject): BoundObject {
  return { name, uid };
}
