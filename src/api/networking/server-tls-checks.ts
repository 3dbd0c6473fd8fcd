// Checks of a Gateway server's tls block: certificates for the modes that need them, nothing that its mode would ignore, names that Envoy takes.
// Source: Istio pkg/config/validation/validation.go.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isDnsSubdomain } from "../names.ts";
import { isCipherSuite } from "./cipher-suites.ts";
import type { ServerTlsSettings } from "./gateway.ts";

/** All findings of a tls block on a port that speaks TLS. */
export function checkServerTls(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const common = [...checkVersions(tls, path), ...checkCipherSuites(tls, path)];
  switch (tls.mode ?? "PASSTHROUGH") {
    case "PASSTHROUGH":
    case "AUTO_PASSTHROUGH":
      return checkUnused(tls, [...certificateFields, ...clientFields], path);
    case "ISTIO_MUTUAL":
      return [...checkMeshIdentity(tls, path), ...common];
    case "SIMPLE":
      return [...checkCertificates(tls, path), ...checkUnused(tls, clientFields, path), ...common];
    default:
      return [...checkCertificates(tls, path), ...checkClients(tls, path), ...common];
  }
}

const sourceFields = ["credentialName", "credentialNames", "tlsCertificates", "serverCertificate"] as const;
const certificateFields = [...sourceFields, "privateKey"] as const;
const clientFields = [
  "caCertificates",
  "caCrl",
  "caCertCredentialName",
  "subjectAltNames",
  "verifyCertificateSpki",
  "verifyCertificateHash",
  "insecureSkipVerify",
] as const;

type TlsField = (typeof certificateFields)[number] | (typeof clientFields)[number];

function isSet(tls: ServerTlsSettings, field: TlsField): boolean {
  const value = tls[field];
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== "" && value !== false;
}

function problem(path: FieldPath, what: string, fix: string): Finding {
  return { code: "LTN0403", path, message: `\`${printPath(path)}\` ${what}`, fix };
}

function checkUnused(tls: ServerTlsSettings, fields: readonly TlsField[], path: FieldPath): readonly Finding[] {
  const mode = tls.mode ?? "PASSTHROUGH";
  return fields
    .filter((field) => isSet(tls, field))
    .map((field) => {
      const at = [...path, field];
      return { code: "LTN0217", path: at, message: `\`${printPath(at)}\` has no effect in mode ${mode}` };
    });
}

/** ISTIO_MUTUAL is the gateway's own identity: other certificates have no place there. */
function checkMeshIdentity(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const own = [...certificateFields, "caCertificates", "caCertCredentialName"] as const;
  return own
    .filter((field) => isSet(tls, field))
    .map((field) => problem([...path, field], "can't be given in mode ISTIO_MUTUAL", "Remove it, or use mode MUTUAL."));
}

function checkCertificates(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const [first, second] = sourceFields.filter((field) => isSet(tls, field));
  if (first === undefined) {
    const fix = "Add credentialName, or serverCertificate and privateKey.";
    return [problem(path, `has mode ${tls.mode ?? "PASSTHROUGH"} and no certificate`, fix)];
  }
  const twice = second === undefined ? [] : [problem(path, `has ${first} and ${second}`, "Keep one of them.")];
  return [...twice, ...checkPairs(tls, path), ...checkNames(tls, path)];
}

function checkPairs(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const own = isSet(tls, "serverCertificate") ? checkPair(tls, path) : [];
  const listed = tls.tlsCertificates.flatMap((pair, index) => checkPair(pair, [...path, "tlsCertificates", index]));
  return [...own, ...listed];
}

function checkPair(
  pair: { readonly serverCertificate?: string | undefined; readonly privateKey?: string | undefined },
  path: FieldPath,
): readonly Finding[] {
  const has = { serverCertificate: (pair.serverCertificate ?? "") !== "", privateKey: (pair.privateKey ?? "") !== "" };
  if (has.serverCertificate && has.privateKey) return [];
  const lacks = has.serverCertificate ? "privateKey" : "serverCertificate";
  return [problem(path, `has no ${lacks}`, "Give the paths of the certificate and of its key.")];
}

function checkNames(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const more: readonly Finding[] =
    tls.credentialNames.length > 2 || tls.tlsCertificates.length > 2
      ? [problem(path, "has more than two certificates", "Give one for RSA and one for ECDSA; use a server of its own for other hosts.")]
      : [];
  return [
    ...more,
    ...checkSecretName(tls.credentialName, [...path, "credentialName"]),
    ...tls.credentialNames.flatMap((name, index) => checkSecretName(name, [...path, "credentialNames", index])),
    ...checkSecretName(tls.caCertCredentialName, [...path, "caCertCredentialName"]),
  ];
}

function checkSecretName(name: string | undefined, path: FieldPath): readonly Finding[] {
  if (name === undefined || name === "" || isDnsSubdomain(name)) return [];
  return [problem(path, "is not the name of a Secret", "Name a Secret in the namespace of the gateway's pods, without the namespace.")];
}

function checkClients(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const inSecret = isSet(tls, "credentialName") || isSet(tls, "credentialNames") || isSet(tls, "caCertCredentialName");
  const inFile = isSet(tls, "caCertificates") || tls.tlsCertificates.some(({ caCertificates = "" }) => caCertificates !== "");
  const findings: Finding[] = [...checkHashes(tls, path)];
  if (tls.insecureSkipVerify === true) {
    const at = [...path, "insecureSkipVerify"];
    const message = `\`${printPath(at)}\`: every client is admitted, also without certificate, and whatever name one bears proves nothing`;
    findings.push({ code: "LTN0406", path: at, message });
  } else if (!inSecret && !inFile) {
    const fix = "Add caCertificates, or use Secrets (credentialName, caCertCredentialName).";
    findings.push(problem(path, `has mode ${tls.mode ?? ""} and no CA to check clients with`, fix));
  }
  const ignored = inSecret ? (["caCertificates", "caCrl"] as const).filter((field) => isSet(tls, field)) : [];
  const unused = ignored.map((field): Finding => {
    const at = [...path, field];
    const message = `\`${printPath(at)}\` has no effect beside a Secret, whose ca.crt and ca.crl count`;
    return { code: "LTN0217", path: at, message };
  });
  return [...findings, ...unused];
}

/** Of 32 bytes: base64, and hexadecimal with or without colons. */
const spki = /^[A-Za-z0-9+/]{43}=$/;
const certificateHash = /^(?:[0-9A-Fa-f]{64}|(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$/;

function checkHashes(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const bad = (field: "verifyCertificateSpki" | "verifyCertificateHash", pattern: RegExp, form: string) =>
    tls[field].flatMap((text, index) =>
      pattern.test(text) ? [] : [problem([...path, field, index], "is not a SHA-256 hash", `Write it as ${form}.`)],
    );
  return [
    ...bad("verifyCertificateSpki", spki, "44 characters of base64"),
    ...bad("verifyCertificateHash", certificateHash, "64 hexadecimal digits"),
  ];
}

const order = ["TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"] as const;
/** When minProtocolVersion is unset. */
const defaultMin = "TLSV1_2";

function checkVersions(tls: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  const { minProtocolVersion: min = "TLS_AUTO", maxProtocolVersion: max = "TLS_AUTO" } = tls;
  const low = min === "TLS_AUTO" ? defaultMin : min;
  if (max !== "TLS_AUTO" && order.indexOf(max) < order.indexOf(low)) {
    const what = `is ${max}, older than the oldest version allowed, ${low}`;
    return [problem([...path, "maxProtocolVersion"], what, "Raise it, or lower minProtocolVersion.")];
  }
  if (order.indexOf(low) >= order.indexOf(defaultMin) || tls.cipherSuites.length > 0) return [];
  const at = [...path, "minProtocolVersion"];
  const message = `\`${printPath(at)}\`: ${low} has no effect, for the default cipher suites are of TLS 1.2 and newer`;
  return [{ code: "LTN0217", path: at, message, fix: "Name the older cipher suites as well, or remove it." }];
}

function checkCipherSuites({ cipherSuites }: ServerTlsSettings, path: FieldPath): readonly Finding[] {
  return cipherSuites.flatMap((name, index): readonly Finding[] => {
    if (isCipherSuite(name)) return [];
    const at = [...path, "cipherSuites", index];
    const message = `\`${printPath(at)}\`: Envoy has no cipher suite ${JSON.stringify(name.slice(0, 60))}; it is left out`;
    return [{ code: "LTN0217", path: at, message, fix: "Write OpenSSL's name of a TLS 1.2 suite, or remove it." }];
  });
}
