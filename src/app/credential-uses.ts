// Who names which Secret: the servers of Gateways, and the client TLS of DestinationRules. In: snapshot. Out: names, and each use with its path.

import type { ClientTlsSettings, DestinationRule } from "../api/networking/destination-rule.ts";
import type { Gateway, Server } from "../api/networking/gateway.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { FieldPath } from "../lib/field-path.ts";
import type { CredentialUse } from "../model/gateway-tls.ts";
import { credentialUses } from "../model/gateway-tls.ts";
import { memoLast, memoObject } from "../model/memo.ts";

/** What a Secret's name ends in when it holds the CAs for another one (Istio). */
export const rootsSuffix = "-cacert";

/** A use with its full path. */
export interface PlacedUse extends CredentialUse {
  /** Of a Gateway. */
  readonly server?: Server;
}

/** The uses of one Gateway. */
export const gatewayUses: (gateway: Gateway) => readonly PlacedUse[] = memoObject(({ spec }) =>
  spec.servers.flatMap((server, index) =>
    credentialUses(server).map((use) => ({ ...use, server, path: ["spec", "servers", index, ...use.path] })),
  ),
);

/** The uses of one DestinationRule, at any level. */
export const destinationRuleUses: (rule: DestinationRule) => readonly PlacedUse[] = memoObject(({ spec }) => [
  ...policyUses(spec.trafficPolicy, ["spec", "trafficPolicy"]),
  ...spec.subsets.flatMap(({ trafficPolicy }, index) => policyUses(trafficPolicy, ["spec", "subsets", index, "trafficPolicy"])),
]);

function policyUses(policy: DestinationRule["spec"]["trafficPolicy"], path: FieldPath): readonly PlacedUse[] {
  const ports = policy?.portLevelSettings ?? [];
  return [
    ...clientUses(policy?.tls, [...path, "tls"]),
    ...ports.flatMap(({ tls }, index) => clientUses(tls, [...path, "portLevelSettings", index, "tls"])),
  ];
}

function clientUses(tls: ClientTlsSettings | undefined, path: FieldPath): readonly PlacedUse[] {
  const name = tls?.credentialName ?? "";
  if (tls === undefined || name === "" || (tls.mode !== "SIMPLE" && tls.mode !== "MUTUAL")) return [];
  const roots: readonly PlacedUse[] = tls.insecureSkipVerify === true ? [] : [{ name, part: "roots", path: [...path, "credentialName"] }];
  return tls.mode === "MUTUAL" ? [{ name, part: "certificate", path: [...path, "credentialName"] }, ...roots] : roots;
}

const namesOf = memoLast(
  (gateways: readonly Gateway[], rules: readonly DestinationRule[]): ReadonlySet<string> =>
    new Set([...gateways.flatMap(gatewayUses), ...rules.flatMap(destinationRuleUses)].map(({ name }) => name)),
);

/** The names of all Secrets that somebody names. */
export function credentialNames(snapshot: Snapshot): ReadonlySet<string> {
  return namesOf(snapshot.list("Gateway"), snapshot.list("DestinationRule"));
}
