// Checks of one AuthorizationPolicy beyond its structure: Istio's CEL rules and validation, and what a policy can't have meant.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import type { AuthorizationCondition, AuthorizationOperation, AuthorizationPolicy, AuthorizationSource } from "./authorization-policy.ts";
import { dryRunAnnotation } from "./authorization-policy.ts";
import { type ConditionKey, conditionKeyOf, plainConditionKeys } from "./condition-key.ts";
import { checkSelection } from "./selection.ts";
import type { ValueCheck } from "./value-checks.ts";
import {
  checkBlock,
  checkHost,
  checkMethod,
  checkPath,
  checkPort,
  checkPrincipal,
  checkRequestPrincipal,
  checkServiceAccount,
  checkText,
  maxValueLength,
} from "./value-checks.ts";

/** All findings of one AuthorizationPolicy. */
export function checkAuthorizationPolicy(policy: AuthorizationPolicy): readonly Finding[] {
  const { spec } = policy;
  return [
    ...checkSelection(spec),
    ...checkAction(policy),
    ...checkDryRun(policy),
    ...spec.rules.flatMap(({ from, to, when }, index) => {
      const at = ["spec", "rules", index];
      return [
        ...from.flatMap((item, number) => checkSource(item.source, [...at, "from", number])),
        ...to.flatMap((item, number) => checkOperation(item.operation, [...at, "to", number])),
        ...when.flatMap((item, number) => checkCondition(item, [...at, "when", number])),
      ];
    }),
  ];
}

function checkAction({ spec }: AuthorizationPolicy): readonly Finding[] {
  if (spec.action === "CUSTOM") {
    const message = "action CUSTOM isn't enforced here yet";
    return [{ code: "LTN0804", path: ["spec", "action"], message, fix: "Use ALLOW, DENY or AUDIT." }];
  }
  const provider: readonly Finding[] =
    spec.provider === undefined
      ? []
      : [{ code: "LTN0805", path: ["spec", "provider"], message: "`spec.provider` is for action CUSTOM only", fix: "Remove it." }];
  if (spec.action === "ALLOW" || spec.rules.length > 0) return provider;
  const message = `a ${spec.action} policy without rules matches no request`;
  return [...provider, { code: "LTN0307", path: ["spec", "rules"], message, fix: "Add a rule; `rules: [{}]` matches every request." }];
}

function checkDryRun({ metadata }: AuthorizationPolicy): readonly Finding[] {
  const value = metadata.annotations[dryRunAnnotation];
  if (value === undefined || value === "true" || value === "false") return [];
  const path = ["metadata", "annotations", dryRunAnnotation];
  return [
    { code: "LTN0104", path, message: `\`${printPath(path)}\` is ${JSON.stringify(value.slice(0, 40))}`, fix: 'Write "true" or "false".' },
  ];
}

const sourceChecks: Readonly<Record<string, ValueCheck>> = {
  principals: checkPrincipal,
  requestPrincipals: checkRequestPrincipal,
  namespaces: checkText,
  serviceAccounts: checkServiceAccount,
  trustDomains: checkText,
  ipBlocks: checkBlock,
  remoteIpBlocks: checkBlock,
};

const operationChecks: Readonly<Record<string, ValueCheck>> = {
  hosts: checkHost,
  ports: checkPort,
  methods: checkMethod,
  paths: checkPath,
};

function checkSource(source: AuthorizationSource | undefined, path: FieldPath): readonly Finding[] {
  const at = [...path, "source"];
  if (source === undefined || isEmpty(source)) return [nothingIn(at)];
  return [...checkLists(source, sourceChecks, at), ...checkServiceAccountsAlone(source, at)];
}

function checkOperation(operation: AuthorizationOperation | undefined, path: FieldPath): readonly Finding[] {
  const at = [...path, "operation"];
  if (operation === undefined || isEmpty(operation)) return [nothingIn(at)];
  return checkLists(operation, operationChecks, at);
}

function isEmpty(lists: object): boolean {
  return Object.values(lists).every((list) => Array.isArray(list) && list.length === 0);
}

function nothingIn(path: FieldPath): Finding {
  const message = `\`${printPath(path)}\` says nothing`;
  return { code: "LTN0803", path, message, fix: "Give at least one value, or leave out the list it stands in to match everything." };
}

/** Every value of `a` and `notA` by the check of `a`. */
function checkLists(
  lists: Readonly<Record<string, readonly string[]>>,
  checks: Readonly<Record<string, ValueCheck>>,
  path: FieldPath,
): readonly Finding[] {
  return Object.entries(checks).flatMap(([name, check]) =>
    [name, `not${name.charAt(0).toUpperCase()}${name.slice(1)}`].flatMap((field) =>
      (lists[field] ?? []).flatMap((value, index) => check(value, [...path, field, index])),
    ),
  );
}

/** Istio's CEL rule: service accounts say namespace and account already. */
function checkServiceAccountsAlone(source: AuthorizationSource, path: FieldPath): readonly Finding[] {
  const accounts = [...source.serviceAccounts, ...source.notServiceAccounts];
  const others = [...source.principals, ...source.notPrincipals, ...source.namespaces, ...source.notNamespaces];
  if (accounts.length === 0 || others.length === 0) return [];
  const message = `\`${printPath(path)}\` has service accounts beside principals or namespaces`;
  return [{ code: "LTN0805", path, message, fix: "Use either serviceAccounts, or principals and namespaces." }];
}

function checkCondition(condition: AuthorizationCondition, path: FieldPath): readonly Finding[] {
  const key = condition.key.length > maxValueLength || !condition.key.isWellFormed() ? undefined : conditionKeyOf(condition.key);
  const at = [...path, "key"];
  if (key === undefined) {
    const message = `\`${printPath(at)}\`: there is no attribute ${JSON.stringify(condition.key.slice(0, 80))}`;
    const keys = [...plainConditionKeys, "request.headers[name]", "request.auth.claims[name]", "experimental.envoy.filters.name[key]"];
    return [{ code: "LTN0806", path: at, message, fix: `Use one of ${keys.join(", ")}.` }];
  }
  if (condition.values.length + condition.notValues.length === 0) return [nothingIn(path)];
  const check = conditionCheck(key);
  return (["values", "notValues"] as const).flatMap((field) =>
    condition[field].flatMap((value, index) => check(value, [...path, field, index])),
  );
}

function conditionCheck(key: ConditionKey): ValueCheck {
  switch (key.attribute) {
    case "source.ip":
    case "remote.ip":
    case "destination.ip":
      return checkBlock;
    case "destination.port":
      return checkPort;
    case "source.principal":
      return checkPrincipal;
    case "source.serviceAccount":
      return checkServiceAccount;
    case "request.auth.principal":
      return checkRequestPrincipal;
    default:
      return checkText;
  }
}
