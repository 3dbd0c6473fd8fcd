// PEM text (RFC 7468): bytes to armoured text and back. Pure.

/** Armours DER, e.g. label "CERTIFICATE". */
export function printPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString("base64");
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += 64) lines.push(base64.slice(at, at + 64));
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The certificates of a PEM text in their order, each armoured anew; text between them is ignored, as OpenSSL does. */
export function splitCertificates(text: string): readonly string[] {
  const certificates: string[] = [];
  const begin = "-----BEGIN CERTIFICATE-----";
  const end = "-----END CERTIFICATE-----";
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + 1)) {
    const stop = text.indexOf(end, at);
    if (stop < 0) break;
    const body = text.slice(at + begin.length, stop).replace(/\s+/g, "");
    certificates.push(printPem("CERTIFICATE", Buffer.from(body, "base64")));
  }
  return certificates;
}

/** One armoured part of a PEM text. */
export interface PemBlock {
  /** "CERTIFICATE", "EC PRIVATE KEY". */
  readonly label: string;
  readonly der: Uint8Array;
  /** Armoured anew. */
  readonly pem: string;
}

/** All whole blocks of a PEM text in their order; text between them is ignored, and so are headers of the old encrypted kind. */
export function splitBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const begin of text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----/g)) {
    const label = begin[1] ?? "";
    const start = begin.index + begin[0].length;
    const stop = text.indexOf(`-----END ${label}-----`, start);
    if (stop < 0) continue;
    const der = new Uint8Array(Buffer.from(text.slice(start, stop).replace(/\s+/g, ""), "base64"));
    blocks.push({ label, der, pem: printPem(label, der) });
  }
  return blocks;
}
