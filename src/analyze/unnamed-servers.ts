// TLS to external servers whose name nobody says: where a ServiceEntry has a wildcard host, only requests (HTTP) name their server themselves.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { isWildcard } from "../api/hosts.ts";
import type { ClientTlsSettings, DestinationRule } from "../api/networking/destination-rule.ts";
import type { ServiceEntry } from "../api/networking/service-entry.ts";
import { declaredProtocol, isHttp } from "../model/protocol.ts";
import { coveringPatterns } from "../model/visibility.ts";
import { type Directory, nameOf } from "./directory.ts";
import { tlsPlaces } from "./tls-places.ts";

/** Once per tls block. */
export function checkUnnamedServers(directory: Directory): readonly Diagnostic[] {
  const found = directory.serviceEntries
    .filter(({ spec }) => spec.subjectAltNames.length === 0)
    .flatMap((entry) =>
      entry.spec.hosts
        .filter(isWildcard)
        .flatMap((host) => rulesFor(directory, host.toLowerCase()).flatMap((rule) => checkRule(rule, entry, host))),
    );
  return [...new Map(found.map((diagnostic) => [`${diagnostic.resource} ${diagnostic.path}`, diagnostic])).values()];
}

/** Of each namespace the rules for the narrowest pattern that covers the host: those can be in force somewhere. */
function rulesFor({ rulesByHost }: Directory, host: string): readonly DestinationRule[] {
  const covering = coveringPatterns(host).flatMap((pattern) => [rulesByHost.get(pattern) ?? []]);
  const seen = new Set<string>();
  return covering.flatMap((rules) => {
    const narrowest = rules.filter(({ metadata }) => !seen.has(metadata.namespace));
    for (const { metadata } of narrowest) seen.add(metadata.namespace);
    return narrowest;
  });
}

function checkRule(rule: DestinationRule, entry: ServiceEntry, host: string): readonly Diagnostic[] {
  const ports = entry.spec.ports.filter(({ protocol }) => !isHttp(declaredProtocol(protocol))).map(({ number }) => number);
  return tlsPlaces(rule).flatMap(({ path, tls, port, otherPorts }) => {
    const unnamed = ports.find((number) => (port === undefined ? !otherPorts.includes(number) : number === port));
    if (unnamed === undefined || !isUnnamed(tls)) return [];
    const source = nameOf("ServiceEntry", entry.metadata);
    const message = `TLS to port ${unnamed} of ${host} (${source}) says no server name: any certificate of a trusted CA will do, whomever it is for`;
    const fix = `Add sni or subjectAltNames here, or subjectAltNames to ${source}.`;
    return [diagnosticOf({ code: "LTN0719", path, message, fix }, nameOf("DestinationRule", rule.metadata))];
  });
}

/** Whether the server is checked, but no name of it; that it isn't checked at all is another finding. */
function isUnnamed({ mode, sni, subjectAltNames, insecureSkipVerify }: ClientTlsSettings): boolean {
  const originates = mode === "SIMPLE" || mode === "MUTUAL";
  return originates && (sni ?? "") === "" && subjectAltNames.length === 0 && insecureSkipVerify !== true;
}
