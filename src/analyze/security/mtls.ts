// PeerAuthentications against those who call: clients without a sidecar, and DestinationRules that make sidecars speak what servers refuse.

import type { Diagnostic } from "../../api/diagnostic.ts";
import { diagnosticOf } from "../../api/finding.ts";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { DestinationRule } from "../../api/networking/destination-rule.ts";
import { resourceName } from "../../api/resource.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { decidingPeerAuthentication, mtlsModeOf, mtlsOf } from "../../model/policies.ts";
import type { Directory } from "../directory.ts";
import { settingsOf } from "../settings.ts";
import { type TlsPlace, tlsPlaces } from "../tls-places.ts";
import { type Subject, subjectsOf } from "./subjects.ts";

/** Both checks. */
export function checkMtls(directory: Directory): readonly Diagnostic[] {
  if (directory.snapshot.list("PeerAuthentication").length === 0) return [];
  return [...checkBareCallers(directory.snapshot), ...checkRules(directory)];
}

/** STRICT where pods without a sidecar live: they can't call any more. */
function checkBareCallers(snapshot: Snapshot): readonly Diagnostic[] {
  const { rootNamespace } = settingsOf(snapshot);
  return snapshot.list("PeerAuthentication").flatMap((policy) => {
    const isStrict = policy.spec.mtls?.mode === "STRICT" || Object.values(policy.spec.portLevelMtls).some(({ mode }) => mode === "STRICT");
    const { namespace } = policy.metadata;
    const isNear = (subject: Subject) => !subject.external && (namespace === rootNamespace || namespace === subject.namespace);
    const bare = subjectsOf(snapshot).filter((subject) => subject.proxy === undefined && isNear(subject));
    if (!isStrict || bare.length === 0) return [];
    const names = bare.map((subject) => `${subject.namespace}/${subject.name}`);
    const message = `it takes mutual TLS only, so what has no sidecar can't call: ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""}`;
    return [diagnosticOf({ code: "LTN0831", path: ["spec"], message }, resourceName(policy))];
  });
}

function checkRules(directory: Directory): readonly Diagnostic[] {
  return directory.destinationRules.flatMap((rule) => tlsPlaces(rule).flatMap((place) => checkPlace(directory, rule, place)));
}

function checkPlace({ snapshot, resolve }: Directory, rule: DestinationRule, { path, tls, port }: TlsPlace): readonly Diagnostic[] {
  const { mode } = tls;
  if (mode === undefined) return [];
  const refusing = mode === "ISTIO_MUTUAL" ? "DISABLE" : "STRICT";
  const { rootNamespace } = settingsOf(snapshot);
  const host = resolve(rule.spec.host, rule.metadata.namespace);
  const all = snapshot.list("PeerAuthentication");
  const services = snapshot.list("Service").filter(({ metadata }) => resolve(metadata.name, metadata.namespace) === host);
  for (const service of services) {
    const targets = service.spec.ports
      .filter((candidate) => port === undefined || candidate.port === port)
      .map(({ targetPort, port: own }) => targetPort ?? own);
    const behind = subjectsOf(snapshot).filter(
      (subject) =>
        subject.namespace === service.metadata.namespace &&
        labelsMatch(service.spec.selector, subject.labels) &&
        subject.proxy !== undefined,
    );
    for (const subject of behind) {
      const refused = subject.ports.find(
        (own) =>
          (port === undefined || targets.includes(own.port)) && mtlsModeOf(mtlsOf(all, subject, rootNamespace), own.port) === refusing,
      );
      if (refused === undefined) continue;
      const deciding = decidingPeerAuthentication(all, subject, { rootNamespace, port: refused.port });
      const message = `clients use tls mode ${mode}, and ${deciding === undefined ? "the mesh" : resourceName(deciding)} says ${refusing} for port ${refused.port} of ${subject.name}`;
      return [diagnosticOf({ code: "LTN0832", path: [...path, "mode"], message }, resourceName(rule))];
    }
  }
  return [];
}
