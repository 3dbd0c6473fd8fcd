// Checks of a DestinationRule's tls block: what its mode needs, and nothing that its mode can't have or would ignore.
// Source: Istio pkg/config/validation/validation.go (validateTLS).

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isDnsSubdomain } from "../names.ts";
import type { ClientTlsSettings } from "./destination-rule.ts";

/** All findings of a tls block. */
export function checkClientTls(tls: ClientTlsSettings | undefined, path: FieldPath): readonly Finding[] {
  if (tls === undefined) return [];
  switch (tls.mode ?? "DISABLE") {
    case "ISTIO_MUTUAL":
      return [...checkOwnIdentity(tls, path), ...checkNames(tls, path)];
    case "SIMPLE":
      return [...checkUnused(tls, ["clientCertificate", "privateKey"], path), ...checkTrust(tls, path), ...checkNames(tls, path)];
    case "MUTUAL":
      return [...checkCertificate(tls, path), ...checkTrust(tls, path), ...checkNames(tls, path)];
    default:
      return checkUnused(tls, allFields, path);
  }
}

const fileFields = ["clientCertificate", "privateKey", "caCertificates", "caCrl"] as const;
const allFields = [...fileFields, "credentialName", "subjectAltNames", "sni", "insecureSkipVerify"] as const;

type TlsField = (typeof allFields)[number];

function isSet(tls: ClientTlsSettings, field: TlsField): boolean {
  const value = tls[field];
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== "" && value !== false;
}

function problem(path: FieldPath, what: string, fix: string): Finding {
  return { code: "LTN0308", path, message: `\`${printPath(path)}\` ${what}`, fix };
}

function checkUnused(tls: ClientTlsSettings, fields: readonly TlsField[], path: FieldPath): readonly Finding[] {
  return fields
    .filter((field) => isSet(tls, field))
    .map((field) => {
      const at = [...path, field];
      return { code: "LTN0307", path: at, message: `\`${printPath(at)}\` has no effect in mode ${tls.mode ?? "DISABLE"}` };
    });
}

/** Between workloads the mesh's own certificates are used. */
function checkOwnIdentity(tls: ClientTlsSettings, path: FieldPath): readonly Finding[] {
  return [...fileFields, "credentialName" as const]
    .filter((field) => isSet(tls, field))
    .map((field) => problem([...path, field], "can't be given in mode ISTIO_MUTUAL", "Remove it, or use mode MUTUAL."));
}

function checkCertificate(tls: ClientTlsSettings, path: FieldPath): readonly Finding[] {
  if (isSet(tls, "credentialName")) return [];
  return (["clientCertificate", "privateKey"] as const)
    .filter((field) => !isSet(tls, field))
    .map((field) => problem(path, `has mode MUTUAL and no ${field}`, "Add credentialName, or clientCertificate and privateKey."));
}

function checkTrust(tls: ClientTlsSettings, path: FieldPath): readonly Finding[] {
  const findings: Finding[] = [];
  if (isSet(tls, "credentialName")) {
    const files = fileFields.filter((field) => isSet(tls, field));
    findings.push(...files.map((field) => problem([...path, field], "stands beside credentialName", "Keep files or the Secret.")));
  }
  if (tls.insecureSkipVerify !== true) return findings;
  const at = [...path, "insecureSkipVerify"];
  findings.push({ code: "LTN0309", path: at, message: `\`${printPath(at)}\`: whoever answers is believed to be the server` });
  for (const field of ["caCertificates", "subjectAltNames"] as const) {
    if (isSet(tls, field)) findings.push(problem([...path, field], "can't act with insecureSkipVerify", "Remove one of them."));
  }
  return findings;
}

/** `server_name` in Envoy's UpstreamTlsContext. */
const longestSni = 255;

function checkNames({ credentialName, subjectAltNames, sni }: ClientTlsSettings, path: FieldPath): readonly Finding[] {
  const findings: Finding[] = [];
  if (credentialName !== undefined && credentialName !== "" && !isDnsSubdomain(credentialName)) {
    const fix = "Name a Secret in the namespace of the client's pods, without the namespace.";
    findings.push(problem([...path, "credentialName"], "is not the name of a Secret", fix));
  }
  for (const [index, name] of subjectAltNames.entries()) {
    if (name === "") findings.push(problem([...path, "subjectAltNames", index], "is empty", "Write the name, or remove it."));
  }
  if (sni !== undefined && sni.length > longestSni) {
    findings.push(problem([...path, "sni"], `is longer than ${longestSni} characters`, "Write the name of the host."));
  }
  return findings;
}
