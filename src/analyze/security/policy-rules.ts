// Rules of AuthorizationPolicies that can't do what they seem to say: identities where there are none, foreign trust domains, HTTP on TCP ports.

import type { Diagnostic } from "../../api/diagnostic.ts";
import { diagnosticOf, type Finding } from "../../api/finding.ts";
import { resourceName } from "../../api/resource.ts";
import type { AuthorizationPolicy, AuthorizationRule } from "../../api/security/authorization-policy.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { FieldPath } from "../../lib/field-path.ts";
import { authorizationPoliciesOf, mtlsModeOf, mtlsOf } from "../../model/policies.ts";
import { isHttp } from "../../model/protocol.ts";
import { asksForHttp } from "../access/match-rule.ts";
import type { Directory } from "../directory.ts";
import { settingsOf } from "../settings.ts";
import { type Subject, subjectsOf } from "./subjects.ts";

/** All findings of all policies; each kind once per rule. */
export function checkPolicyRules({ snapshot }: Directory): readonly Diagnostic[] {
  return snapshot.list("AuthorizationPolicy").flatMap((policy) => {
    const subjects = selectedBy(policy, snapshot).filter(({ proxy }) => proxy === "sidecar");
    const findings = policy.spec.rules.flatMap((rule, index) => {
      const place: RulePlace = { policy, rule, path: ["spec", "rules", index], subjects, snapshot };
      return [...checkIdentities(place), ...checkTrustDomains(place), ...checkTcpPorts(place)];
    });
    return findings.map((finding) => diagnosticOf(finding, resourceName(policy)));
  });
}

interface RulePlace {
  readonly policy: AuthorizationPolicy;
  readonly rule: AuthorizationRule;
  readonly path: FieldPath;
  readonly subjects: readonly Subject[];
  readonly snapshot: Snapshot;
}

function selectedBy(policy: AuthorizationPolicy, snapshot: Snapshot): readonly Subject[] {
  const { rootNamespace } = settingsOf(snapshot);
  return subjectsOf(snapshot).filter((subject) =>
    Object.values(authorizationPoliciesOf([policy], subject, rootNamespace)).some((list) => list.length > 0),
  );
}

interface Identities {
  /** Fields that a caller without identity doesn't match. */
  readonly wanted: boolean;
  /** Fields that a caller without identity matches. */
  readonly unwanted: boolean;
}

function identitiesIn({ from, when }: AuthorizationRule): Identities {
  const isGiven = (...lists: readonly (readonly string[] | undefined)[]): boolean => lists.some((list) => (list ?? []).length > 0);
  const conditions = when.filter(({ key }) => /^source\.(principal|namespace|serviceAccount|trustDomain)$/.test(key));
  return {
    wanted:
      from.some(({ source: is }) => isGiven(is?.principals, is?.namespaces, is?.serviceAccounts, is?.trustDomains)) ||
      conditions.some(({ values }) => values.length > 0),
    unwanted:
      from.some(({ source: is }) => isGiven(is?.notPrincipals, is?.notNamespaces, is?.notServiceAccounts, is?.notTrustDomains)) ||
      conditions.some(({ notValues }) => notValues.length > 0),
  };
}

function checkIdentities({ policy, rule, path, subjects, snapshot }: RulePlace): readonly Finding[] {
  const { wanted, unwanted } = identitiesIn(rule);
  if (!wanted && !unwanted) return [];
  const { rootNamespace } = settingsOf(snapshot);
  const all = snapshot.list("PeerAuthentication");
  const portsIn = (mode: string): readonly string[] =>
    subjects.flatMap((subject) => {
      const mtls = mtlsOf(all, subject, rootNamespace);
      return portsOfRule(rule, subject)
        .filter(({ port }) => mtlsModeOf(mtls, port) === mode)
        .map(({ port }) => `${subject.name} port ${port}`);
    });
  const [disabled] = portsIn("DISABLE");
  if (disabled !== undefined) {
    return [
      {
        code: "LTN0835",
        path,
        message: `the rule asks who the caller is, and ${disabled} takes plaintext only, so nobody is anybody there`,
      },
    ];
  }
  // An ALLOW rule with a positive identity is safe: who shows none is not let in.
  const slipsThrough = policy.spec.action === "DENY" ? wanted : policy.spec.action === "ALLOW" && unwanted && !wanted;
  const [open] = slipsThrough ? portsIn("PERMISSIVE") : [];
  if (open === undefined) return [];
  const effect = policy.spec.action === "DENY" ? "isn't denied" : "is allowed";
  return [{ code: "LTN0834", path, message: `${open} takes plaintext too, and a caller without certificate ${effect} by this rule` }];
}

/** The declared ports of a workload that a rule is about. */
function portsOfRule({ to }: AuthorizationRule, { ports }: Subject): Subject["ports"] {
  const named = to.flatMap(({ operation }) => operation?.ports ?? []);
  const isAny = to.length === 0 || to.some(({ operation }) => (operation?.ports ?? []).length === 0);
  return isAny ? ports : ports.filter(({ port }) => named.includes(String(port)));
}

function checkTrustDomains({ rule, path, snapshot }: RulePlace): readonly Finding[] {
  const { trustDomain, trustDomainAliases } = settingsOf(snapshot);
  const known = ["cluster.local", trustDomain, ...trustDomainAliases];
  const lists = [
    ...rule.from.flatMap(({ source }, index) =>
      (["principals", "notPrincipals"] as const).map((field) => ({ values: source?.[field] ?? [], at: ["from", index, "source", field] })),
    ),
    ...rule.when.flatMap(({ key, values, notValues }, index) =>
      key === "source.principal"
        ? [
            { values, at: ["when", index, "values"] },
            { values: notValues, at: ["when", index, "notValues"] },
          ]
        : [],
    ),
  ];
  return lists.flatMap(({ values, at }) =>
    values.flatMap((value, index): readonly Finding[] => {
      const [domain = "", ...rest] = value.split("/");
      if (rest.length === 0 || domain.includes("*") || known.includes(domain)) return [];
      const message = `no workload of the mesh is of trust domain "${domain}"; the mesh's is ${trustDomain}`;
      return [{ code: "LTN0836", path: [...path, ...at, index], message }];
    }),
  );
}

function checkTcpPorts({ policy, rule, path, subjects }: RulePlace): readonly Finding[] {
  const { action } = policy.spec;
  if (!asksForHttp(rule) || (action !== "ALLOW" && action !== "DENY")) return [];
  for (const subject of subjects) {
    const tcp = portsOfRule(rule, subject).filter(({ protocol }) => !isHttp(protocol) && protocol !== "detect");
    if (tcp.length === 0) continue;
    const where = `${subject.name} speaks TCP on port ${tcp.map(({ port }) => port).join(", ")}`;
    const effect =
      action === "ALLOW" ? "the rule asks for HTTP and allows nothing there" : "there the rule denies whatever its other parts match";
    return [{ code: "LTN0837", path, message: `${where}: ${effect}` }];
  }
  return [];
}
