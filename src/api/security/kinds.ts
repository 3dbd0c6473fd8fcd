// Istio's security kinds as declared to the registry: names, versions, columns.

import { defineKind } from "../kind.ts";
import { authorizationPolicySchema } from "./authorization-policy.ts";
import { checkAuthorizationPolicy } from "./authorization-policy-checks.ts";
import { checkPeerAuthentication, peerAuthenticationSchema } from "./peer-authentication.ts";
import { checkRequestAuthentication, requestAuthenticationSchema } from "./request-authentication.ts";

const group = "security.istio.io";
/** What Istio 1.31 ships: v1 stored, v1beta1 accepted with the same fields. */
const versions = ["v1", "v1beta1"] as const;

export const securityKinds = {
  AuthorizationPolicy: defineKind({
    group,
    versions,
    kind: "AuthorizationPolicy",
    plural: "authorizationpolicies",
    singular: "authorizationpolicy",
    shortNames: ["ap"],
    namespaced: true,
    schema: authorizationPolicySchema,
    check: checkAuthorizationPolicy,
    columns: [{ name: "Action", path: "spec.action" }],
    notYet: [],
  }),
  PeerAuthentication: defineKind({
    group,
    versions,
    kind: "PeerAuthentication",
    plural: "peerauthentications",
    singular: "peerauthentication",
    shortNames: ["pa"],
    namespaced: true,
    schema: peerAuthenticationSchema,
    check: checkPeerAuthentication,
    columns: [{ name: "Mode", path: "spec.mtls.mode" }],
    notYet: [],
  }),
  RequestAuthentication: defineKind({
    group,
    versions,
    kind: "RequestAuthentication",
    plural: "requestauthentications",
    singular: "requestauthentication",
    shortNames: ["ra"],
    namespaced: true,
    schema: requestAuthenticationSchema,
    check: checkRequestAuthentication,
    columns: [],
    notYet: [],
  }),
};
