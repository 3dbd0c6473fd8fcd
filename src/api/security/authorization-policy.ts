// AuthorizationPolicy (security.istio.io): schema and types. Parsed manifests come in; the model, the RBAC translators and the evaluator
// read what comes out. Field lists follow istio/api security/v1beta1/authorization_policy.proto; checks are in authorization-policy-checks.ts.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, stringList } from "../scalars.ts";
import { targetRef, workloadSelector } from "./selection.ts";

/** Who sends a request: all fields must hold, of each list one value; `not*` none of them. */
const source = z.strictObject({
  /** "<trust domain>/ns/<namespace>/sa/<service account>" of the client's certificate, without the scheme. */
  principals: stringList,
  notPrincipals: stringList,
  /** "<issuer>/<subject>" of the request's JWT. */
  requestPrincipals: stringList,
  notRequestPrincipals: stringList,
  namespaces: stringList,
  notNamespaces: stringList,
  /** "<service account>" of the policy's namespace, or "<namespace>/<service account>"; no wildcards. */
  serviceAccounts: stringList,
  notServiceAccounts: stringList,
  trustDomains: stringList,
  notTrustDomains: stringList,
  /** Addresses and ranges of the connection's other end. */
  ipBlocks: stringList,
  notIpBlocks: stringList,
  /** Addresses and ranges of the client as X-Forwarded-For or the PROXY protocol tell it. */
  remoteIpBlocks: stringList,
  notRemoteIpBlocks: stringList,
});

/** What is done: all fields must hold. All but ports are HTTP only. */
const operation = z.strictObject({
  hosts: stringList,
  notHosts: stringList,
  ports: stringList,
  notPorts: stringList,
  methods: stringList,
  notMethods: stringList,
  /** Exact, "/a*", "*a", "*", or a template with {*} (one segment) and {**} (any number of them). */
  paths: stringList,
  notPaths: stringList,
});

const condition = z.strictObject({
  /** "request.headers[x-a]", "source.ip", "connection.sni" …; see conditionKeyOf. */
  key: z.string(),
  values: stringList,
  notValues: stringList,
});

const rule = z.strictObject({
  /** One of them; empty means anybody. */
  from: z.array(z.strictObject({ source: source.optional() })).default([]),
  /** One of them; empty means anything. */
  to: z.array(z.strictObject({ operation: operation.optional() })).default([]),
  /** All of them. */
  when: z.array(condition).default([]),
});

const spec = z.strictObject({
  selector: workloadSelector.optional(),
  targetRef: targetRef.optional(),
  targetRefs: z.array(targetRef).default([]),
  /** ALLOW when unset (proto3). */
  action: z.enum(["ALLOW", "DENY", "AUDIT", "CUSTOM"]).default("ALLOW"),
  provider: z.strictObject({ name: z.string().optional() }).optional(),
  /** A request matches when one of them does; none match nothing, so an ALLOW policy without rules denies everything. */
  rules: z.array(rule).default([]),
});

export const authorizationPolicySchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("AuthorizationPolicy"),
  metadata: namespacedMetaSchema,
  spec: spec.default({ action: "ALLOW", rules: [], targetRefs: [] }),
  status: anyStatus,
});

export type AuthorizationPolicy = z.output<typeof authorizationPolicySchema>;
export type AuthorizationRule = z.output<typeof rule>;
export type AuthorizationSource = z.output<typeof source>;
export type AuthorizationOperation = z.output<typeof operation>;
export type AuthorizationCondition = z.output<typeof condition>;
export type AuthorizationAction = AuthorizationPolicy["spec"]["action"];

/** Annotation that makes a policy count and log without enforcing it. */
export const dryRunAnnotation = "istio.io/dry-run";

/** True when a policy is only tried out. */
export function isDryRun({ metadata }: AuthorizationPolicy): boolean {
  return metadata.annotations[dryRunAnnotation] === "true";
}
