// The CA certificates that the system trusts: by them servers outside the mesh are known when a DestinationRule names no others.

import { getCACertificates } from "node:tls";

let known: string | undefined;

/**
 * PEM, read once per process: from OpenSSL's default places (SSL_CERT_FILE and SSL_CERT_DIR move them), else those that Node.js brings along.
 */
export function systemRootsPem(): string {
  if (known === undefined) {
    const system = getCACertificates("system");
    known = [...new Set(system.length > 0 ? system : getCACertificates("bundled"))].map((pem) => `${pem.trim()}\n`).join("");
  }
  return known;
}
