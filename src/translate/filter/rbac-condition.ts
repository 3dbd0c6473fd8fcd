// `when` of an AuthorizationPolicy → Envoy's Principal or Permission, whichever knows the attribute.

import type { PermissionJson, PrincipalJson } from "#envoy/envoy/config/rbac/v3/rbac_pb.js";
import type { AuthorizationCondition } from "../../api/security/authorization-policy.ts";
import { type ConditionKey, conditionKeyOf, isHttpOnly } from "../../api/security/condition-key.ts";
import { claimPrincipal, filterPrincipal, requestPrincipal } from "./rbac-metadata.ts";
import { destinationIpPermission, portPermission, serverNamePermission, valuePermissions } from "./rbac-permission.ts";
import type { RbacContext } from "./rbac-principal.ts";
import {
  directIpPrincipal,
  namespacePrincipal,
  peerPrincipal,
  remoteIpPrincipal,
  serviceAccountPrincipal,
  trustDomainPrincipal,
  valuePrincipals,
} from "./rbac-principal.ts";
import { textMatcher } from "./rbac-values.ts";

export interface TranslatedCondition {
  readonly principals: readonly PrincipalJson[];
  readonly permissions: readonly PermissionJson[];
  readonly httpOnly: boolean;
}

/** One condition. A key that no check knows matches nothing. */
export function conditionOf(condition: AuthorizationCondition, context: RbacContext): TranslatedCondition {
  const key = conditionKeyOf(condition.key);
  if (key === undefined) return { principals: [{ notId: { any: true } }], permissions: [], httpOnly: false };
  const httpOnly = isHttpOnly(key);
  const permission = permissionOf(key);
  if (permission !== undefined) return { principals: [], permissions: valuePermissions(condition, permission), httpOnly };
  return { principals: valuePrincipals(condition, (value) => principalOf(key, value, context)), permissions: [], httpOnly };
}

function permissionOf({ attribute }: ConditionKey): ((value: string) => PermissionJson) | undefined {
  if (attribute === "destination.ip") return destinationIpPermission;
  if (attribute === "destination.port") return portPermission;
  return attribute === "connection.sni" ? serverNamePermission : undefined;
}

function principalOf(key: ConditionKey, value: string, context: RbacContext): PrincipalJson {
  switch (key.attribute) {
    case "source.ip":
      return directIpPrincipal(value);
    case "remote.ip":
      return remoteIpPrincipal(value);
    case "source.namespace":
      return namespacePrincipal(value);
    case "source.serviceAccount":
      return serviceAccountPrincipal(value, context);
    case "source.trustDomain":
      return trustDomainPrincipal(value);
    case "source.principal":
      return peerPrincipal(value, context);
    case "request.auth.principal":
      return requestPrincipal(value);
    case "request.auth.audiences":
      return claimPrincipal(["aud"], value);
    case "request.auth.presenter":
      return claimPrincipal(["azp"], value);
    case "request.auth.claims":
      return claimPrincipal(key.claims, value);
    case "filter":
      return filterPrincipal(key, value);
    case "request.headers":
      return { header: value === "*" ? { name: key.header, presentMatch: true } : { name: key.header, stringMatch: textMatcher(value) } };
    default:
      return { notId: { any: true } };
  }
}
