// What would let a denied request through: the rules that almost match, and which part of them doesn't. Pure; for `lateen policy can`.

import { resourceName } from "../../api/resource.ts";
import type { AuthorizationPolicy, AuthorizationRule } from "../../api/security/authorization-policy.ts";
import { isDryRun } from "../../api/security/authorization-policy.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import type { AccessOptions, AccessRequest } from "./access-request.ts";
import type { AccessDecision } from "./decide-access.ts";
import { asksForHttp, ruleMatches } from "./match-rule.ts";
import type { Transport } from "./transport.ts";

export interface Denied {
  readonly decision: AccessDecision;
  readonly transport: Transport;
  readonly policies: WorkloadPolicies;
  readonly request: AccessRequest;
  readonly options: AccessOptions;
  /** SPIFFE ID that the caller has or would have. */
  readonly identity: string;
  /** "Deployment shop/web". */
  readonly client: string;
}

/** One sentence for each way, the likeliest first. */
export function neededOf(denied: Denied): readonly string[] {
  const { decision, transport, policies, client } = denied;
  if (transport.refusal !== undefined) return transportFixes(denied);
  if (decision.reason.startsWith("401:"))
    return ["send a token of an issuer that the RequestAuthentication names, or add the issuer to its jwtRules"];
  if (decision.policy !== undefined) {
    const place = `rule ${(decision.rule ?? 0) + 1} of ${decision.policy}`;
    return [`narrow ${place}: no ALLOW policy overrides a DENY`];
  }
  const ways = policies.allow.filter((policy) => !isDryRun(policy)).flatMap((policy) => almost(policy, denied));
  const identity = denied.request.peer.length === 0 && ways.some(({ part }) => part === "from");
  return [
    ...(identity
      ? [`${client} shows no certificate (${transport.reason ?? "plaintext"}): no rule can know it by name until it has one`]
      : []),
    ...ways.map(({ text }) => text),
    ...(ways.length === 0 ? [`add an ALLOW policy or a rule for principal "${denied.identity.slice("spiffe://".length)}"`] : []),
  ];
}

function transportFixes({ transport, client }: Denied): readonly string[] {
  if (transport.reason === "the caller has no sidecar") {
    return [
      `give ${client} a sidecar (remove sidecar.istio.io/inject: "false")`,
      "or accept plaintext there: PeerAuthentication mode PERMISSIVE",
    ];
  }
  const object = transport.source ?? "the DestinationRule";
  return [`make ${object} and the server's PeerAuthentication agree: tls mode ISTIO_MUTUAL, or none, goes with every mode but DISABLE`];
}

interface Way {
  readonly part: "from" | "to" | "when";
  readonly text: string;
}

/** The rules of which only one part doesn't hold. */
function almost(policy: AuthorizationPolicy, { request, options, identity }: Denied): readonly Way[] {
  const context = { ...options, request, namespace: policy.metadata.namespace };
  const holds = (rule: AuthorizationRule): boolean => ruleMatches(rule, context);
  return policy.spec.rules.flatMap((rule, index): readonly Way[] => {
    const place = `rule ${index + 1} of ${resourceName(policy)}`;
    if (request.http === undefined && asksForHttp(rule)) {
      return [
        {
          part: "to",
          text: `${place} asks for HTTP attributes, which a TCP port doesn't have: name the port's protocol, or write a rule without them`,
        },
      ];
    }
    const from = holds({ from: rule.from, to: [], when: [] });
    const to = holds({ from: [], to: rule.to, when: [] });
    const when = holds({ from: [], to: [], when: rule.when });
    if (!from && to && when) {
      return [
        {
          part: "from",
          text: `${place} lets this request in, but not this caller: add principal "${identity.slice("spiffe://".length)}" to its source`,
        },
      ];
    }
    if (from && !to && when)
      return [{ part: "to", text: `${place} lets this caller in, but not for ${asked(request)}: add it to its operation` }];
    if (from && to && !when) return [{ part: "when", text: `${place} matches but for its condition ${failing(rule, holds)}` }];
    return [];
  });
}

function failing({ when }: AuthorizationRule, holds: (rule: AuthorizationRule) => boolean): string {
  return when
    .filter((condition) => !holds({ from: [], to: [], when: [condition] }))
    .map(({ key }) => `"${key}"`)
    .join(", ");
}

function asked({ http, destinationPort }: AccessRequest): string {
  return http === undefined ? `port ${destinationPort}` : `${http.method} ${http.path}`;
}
