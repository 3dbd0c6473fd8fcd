// RequestAuthentications and what relies on them: tokens that nothing requires, rules without keys, and routes by claims where none arrive.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { namespacedName } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import { claimsOf } from "../api/networking/claim-key.ts";
import { meshGateway, type VirtualService } from "../api/networking/virtual-service.ts";
import type { AuthorizationPolicy } from "../api/security/authorization-policy.ts";
import { parseKeySet } from "../api/security/key-set.ts";
import { keySourceOf, type RequestAuthentication } from "../api/security/request-authentication.ts";
import type { FieldPath } from "../lib/field-path.ts";
import { type Directory, nameOf } from "./directory.ts";
import { settingsOf } from "./settings.ts";
import type { Labels } from "./workloads.ts";

/** RequestAuthentications of workloads for which no AuthorizationPolicy asks for a token: requests without one pass. */
export function checkRequiredTokens(directory: Directory): readonly Diagnostic[] {
  const { snapshot } = directory;
  const { rootNamespace } = settingsOf(snapshot);
  const asking = snapshot.list("AuthorizationPolicy").filter(asksForToken);
  return snapshot.list("RequestAuthentication").flatMap((authentication) => {
    const { metadata, spec } = authentication;
    if (spec.jwtRules.length === 0 || asking.some((policy) => mayShareWorkload(policy, authentication, rootNamespace))) return [];
    const message = "a request without a token passes: no AuthorizationPolicy for these workloads asks for a request principal";
    const fix = `Add an AuthorizationPolicy with rules: [{from: [{source: {requestPrincipals: ["*"]}}]}], unless tokens are optional here.`;
    return [diagnosticOf({ code: "LTN0820", path: ["spec", "jwtRules"], message, fix }, nameOf("RequestAuthentication", metadata))];
  });
}

function asksForToken({ spec }: AuthorizationPolicy): boolean {
  return spec.rules.some(
    ({ from, when }) =>
      from.some(({ source }) => (source?.requestPrincipals.length ?? 0) + (source?.notRequestPrincipals.length ?? 0) > 0) ||
      when.some(({ key }) => key.startsWith("request.auth.")),
  );
}

interface Selecting {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly selector?: { readonly matchLabels: Labels } | undefined };
}

/** False only when no workload can have both: other namespaces, or labels that contradict each other. */
function mayShareWorkload(a: Selecting, b: Selecting, rootNamespace: string): boolean {
  const namespaces = new Set([a.metadata.namespace, b.metadata.namespace].filter((namespace) => namespace !== rootNamespace));
  if (namespaces.size > 1) return false;
  const [first, second] = [a.spec.selector?.matchLabels ?? {}, b.spec.selector?.matchLabels ?? {}];
  return Object.entries(first).every(([name, value]) => !Object.hasOwn(second, name) || second[name] === value);
}

/** Rules for which no key is published anywhere, and inline key sets of which a part can't be used. */
export function checkKeySources({ snapshot }: Directory): readonly Diagnostic[] {
  return snapshot.list("RequestAuthentication").flatMap(({ metadata, spec }) =>
    spec.jwtRules.flatMap((rule, index) => {
      const source = keySourceOf(rule);
      const report = (path: FieldPath, message: string): Diagnostic =>
        diagnosticOf({ code: "LTN0821", path: ["spec", "jwtRules", index, ...path], message }, nameOf("RequestAuthentication", metadata));
      if (source === undefined)
        return [report([], "the rule names no keys, and its issuer is no https:// address that could publish them: every token gets 401")];
      if (!("inline" in source)) return [];
      const { keySet, problems } = parseKeySet(source.inline);
      return keySet === undefined ? [] : problems.map((problem) => report(["jwks"], problem));
    }),
  );
}

/** Routes by claims on proxies that verify no token, where they can never match. */
export function checkClaimRoutes(directory: Directory): readonly Diagnostic[] {
  return directory.virtualServices.flatMap((virtualService) => {
    const paths = claimPaths(virtualService);
    const [path] = paths;
    if (path === undefined) return [];
    const problem = claimProblem(directory, virtualService);
    if (problem === undefined) return [];
    return [diagnosticOf({ code: "LTN0822", path, ...problem }, nameOf("VirtualService", virtualService.metadata))];
  });
}

function claimPaths({ spec }: VirtualService): readonly FieldPath[] {
  return spec.http.flatMap((route, index) =>
    route.match.flatMap((match, place) =>
      (["headers", "withoutHeaders"] as const).flatMap((field) =>
        Object.keys(match[field])
          .filter((name) => claimsOf(name) !== undefined)
          .map((name) => ["spec", "http", index, "match", place, field, name]),
      ),
    ),
  );
}

function claimProblem(
  directory: Directory,
  { metadata, spec }: VirtualService,
): { readonly message: string; readonly fix?: string } | undefined {
  const gateways = spec.gateways.filter((name) => name !== meshGateway);
  if (gateways.length === 0) {
    const fix = "Bind the VirtualService to a Gateway, or decide by an AuthorizationPolicy.";
    return { message: "sidecars verify no token of the requests they send, so no claim is known there", fix };
  }
  const unverified = gateways.find((reference) => {
    const { namespace, name } = namespacedName(reference, metadata.namespace);
    const gateway = directory.snapshot.get("Gateway", namespace, name);
    return gateway !== undefined && !isVerified(directory, gateway.spec.selector);
  });
  if (unverified === undefined) return undefined;
  return { message: `no RequestAuthentication is for the pods of Gateway ${unverified}, so no claim is known there` };
}

/** Whether some RequestAuthentication is for pods with these labels; true while there are no such pods, which is told elsewhere. */
function isVerified(directory: Directory, selector: Labels): boolean {
  const { snapshot, workloads } = directory;
  const bearers = workloads.all.filter((labels) => labelsMatch(selector, labels));
  if (bearers.length === 0) return true;
  const { rootNamespace } = settingsOf(snapshot);
  return snapshot.list("RequestAuthentication").some(({ metadata, spec }: RequestAuthentication) => {
    if (spec.jwtRules.length === 0) return false;
    const within = metadata.namespace === rootNamespace ? bearers : workloads.selected(selector, metadata.namespace);
    return within.some((labels) => labelsMatch(spec.selector?.matchLabels ?? {}, labels));
  });
}
