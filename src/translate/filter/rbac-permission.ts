// Operations of an AuthorizationPolicy → Envoy's Permission.

import type { PermissionJson } from "#envoy/envoy/config/rbac/v3/rbac_pb.js";
import type { AuthorizationOperation } from "../../api/security/authorization-policy.ts";
import { isPathTemplate } from "../../api/security/path-template.ts";
import { cidrRange, hostMatcher, serverNameMatcher, templateRegex, textMatcher } from "./rbac-values.ts";

function hostPermission(value: string): PermissionJson {
  return { header: { name: ":authority", stringMatch: hostMatcher(value) } };
}

function methodPermission(value: string): PermissionJson {
  return { header: { name: ":method", stringMatch: textMatcher(value) } };
}

/** The normalised path without query string. */
function pathPermission(value: string): PermissionJson {
  // Not Envoy's uri_template: its {*} takes only some characters, so a DENY on "/a/{*}" would let "/a/x*" pass.
  return { urlPath: { path: isPathTemplate(value) ? { safeRegex: { regex: templateRegex(value) } } : textMatcher(value) } };
}

/** The port the connection was made to. */
export function portPermission(value: string): PermissionJson {
  return { destinationPort: Number(value) };
}

/** The address the connection was made to. */
export function destinationIpPermission(block: string): PermissionJson {
  return { destinationIp: cidrRange(block) };
}

/** The server name of the TLS handshake. */
export function serverNamePermission(value: string): PermissionJson {
  return { requestedServerName: serverNameMatcher(value) };
}

type OperationField = "hosts" | "ports" | "methods" | "paths";

interface OperationRow {
  readonly field: OperationField;
  readonly notField: `not${Capitalize<OperationField>}`;
  readonly permission: (value: string) => PermissionJson;
  /** Undecidable on a TCP port. */
  readonly httpOnly: boolean;
}

const operationTable: readonly OperationRow[] = [
  { field: "hosts", notField: "notHosts", permission: hostPermission, httpOnly: true },
  { field: "ports", notField: "notPorts", permission: portPermission, httpOnly: false },
  { field: "methods", notField: "notMethods", permission: methodPermission, httpOnly: true },
  { field: "paths", notField: "notPaths", permission: pathPermission, httpOnly: true },
];

/** All conditions of one operation. */
export function operationPermissions(
  operation: AuthorizationOperation,
): readonly { readonly permission: PermissionJson; readonly httpOnly: boolean }[] {
  return operationTable.flatMap(({ field, notField, permission, httpOnly }) =>
    valuePermissions({ values: operation[field], notValues: operation[notField] }, permission).map((made) => ({
      permission: made,
      httpOnly,
    })),
  );
}

/** One of `values`, none of `notValues`; an empty list says nothing. */
export function valuePermissions(
  { values, notValues }: { readonly values: readonly string[]; readonly notValues: readonly string[] },
  permission: (value: string) => PermissionJson,
): readonly PermissionJson[] {
  const wanted = values.length === 0 ? [] : [anyPermission(values.map(permission))];
  return notValues.length === 0 ? wanted : [...wanted, { notRule: anyPermission(notValues.map(permission)) }];
}

function anyPermission(rules: readonly PermissionJson[]): PermissionJson {
  const [only] = rules;
  return only !== undefined && rules.length === 1 ? only : { orRules: { rules: [...rules] } };
}

/** All of them; anything when there are none. */
export function allPermissions(rules: readonly PermissionJson[]): PermissionJson {
  const [only] = rules;
  if (only === undefined) return { any: true };
  return rules.length === 1 ? only : { andRules: { rules: [...rules] } };
}
