// The part of Lateen's own routes that tells of identity: the certificate authority, who may call whom, and a pod
// with its proxy's certificate. Types, and zod schemas of what we parse.

import { z } from "zod";
import type { AccessAnswer } from "../analyze/access/answer-access.ts";
import type { Unknown } from "../analyze/access/party.ts";
import type { PodFacts } from "../analyze/describe-pod.ts";
import type { Diagnostic } from "../api/diagnostic.ts";
import { isJsonObject, type JsonObject } from "../api/json.ts";
import type { CertificateView, ProxyStatus } from "./contract.ts";

/** GET /lateen/v1/authority. Times are RFC 3339. */
export interface AuthorityView {
  readonly trustDomain: string;
  /** "plug-in": the CA's files belong to somebody else, who rotates them. */
  readonly source: "own" | "plug-in";
  /** What everybody trusts now; the current one first. */
  readonly roots: readonly RootView[];
  readonly issuer: { readonly notBefore: string; readonly notAfter: string };
  /** Why certificates can't be renewed now; the old ones stay. */
  readonly problem?: string;
  /** A root has only a fifth of its life left. */
  readonly isRootDue: boolean;
  /** Undefined for a plug-in authority. */
  readonly rotation: RotationView | undefined;
}

/** POST /lateen/v1/authority/renew. */
export interface RenewalView {
  /** How many workload certificates are renewed, some of them in the next seconds when there are many. */
  readonly certificates: number;
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

/** GET /lateen/v1/access: may one workload call another, and why. */
export type AccessReply = AccessAnswer | Unknown;

const asJson = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "is no JSON" });
    return z.NEVER;
  }
});

/** Query of /lateen/v1/access; headers and claims are JSON. */
export const accessQuerySchema = z.object({
  from: z.string().min(1),
  to: z.string().min(1),
  namespace: z.string().default("default"),
  port: z.string().optional(),
  method: z.string().optional(),
  path: z.string().optional(),
  host: z.string().optional(),
  headers: asJson.pipe(z.array(z.tuple([z.string(), z.string()]))).default([]),
  claims: asJson.pipe(z.custom<JsonObject>(isJsonObject, "is no JSON object")).optional(),
});

/** GET /lateen/v1/pods/<namespace>/<name>. */
export interface PodDescription extends PodFacts {
  readonly certificate?: CertificateView;
  /** Fingerprints of the roots it trusts. */
  readonly roots: readonly string[];
  /** Of its proxy; undefined without one. */
  readonly proxyStatus?: ProxyStatus;
  /** What the analysis found about the pod and about the objects that act on it. */
  readonly problems: readonly Diagnostic[];
}

/** Path of /lateen/v1/pods/<namespace>/<name>. */
export const podPathSchema = z.object({ namespace: z.string(), name: z.string() });
