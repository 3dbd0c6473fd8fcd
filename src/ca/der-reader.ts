// Reads the few fields of a certificate that node:crypto doesn't tell: the subject's exact bytes and the subject key id. Every length is checked;
// what doesn't read is undefined, never an exception. Pure.

interface Element {
  readonly tag: number;
  /** With tag and length. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

export interface CertificateFields {
  /** DER of the subject: an issued certificate must repeat it byte by byte as its issuer. */
  readonly subject: Uint8Array;
  /** Content of the subject key identifier; undefined when the certificate has none. */
  readonly subjectKeyId: Uint8Array | undefined;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** True when there is no key usage at all or it allows signing certificates. */
  readonly maySignCertificates: boolean;
}

const subjectKeyIdOid = "551d0e";
const keyUsageOid = "551d0f";
const keyCertSign = 0x04;

/** The fields of a DER certificate; undefined when it isn't one. */
export function readCertificate(der: Uint8Array): CertificateFields | undefined {
  const certificate = firstElement(der);
  const tbs = certificate?.tag === 0x30 ? firstElement(certificate.content) : undefined;
  if (tbs?.tag !== 0x30) return undefined;
  const fields = elementsOf(tbs.content);
  // version [0], serial, signature, issuer, validity, subject, key, then [1] [2] [3]; a v1 certificate has no version field.
  const shift = fields?.[0]?.tag === 0xa0 ? 0 : -1;
  const subject = fields?.[5 + shift];
  const publicKey = fields?.[6 + shift];
  if (subject?.tag !== 0x30 || publicKey?.tag !== 0x30) return undefined;
  const extensions = extensionsOf(fields?.find(({ tag }) => tag === 0xa3)?.content);
  if (extensions === undefined) return undefined;
  const keyUsage = extensions.get(keyUsageOid);
  return {
    subject: subject.whole,
    publicKey: publicKey.whole,
    subjectKeyId: firstElement(extensions.get(subjectKeyIdOid) ?? new Uint8Array())?.content,
    maySignCertificates: keyUsage === undefined || ((firstElement(keyUsage)?.content[1] ?? 0) & keyCertSign) !== 0,
  };
}

function extensionsOf(content: Uint8Array | undefined): ReadonlyMap<string, Uint8Array> | undefined {
  if (content === undefined) return new Map();
  const list = firstElement(content);
  const extensions = list?.tag === 0x30 ? elementsOf(list.content) : undefined;
  if (extensions === undefined) return undefined;
  const byOid = new Map<string, Uint8Array>();
  for (const extension of extensions) {
    const [id, ...rest] = elementsOf(extension.content) ?? [];
    const value = rest.at(-1);
    if (id?.tag !== 0x06 || value?.tag !== 0x04) return undefined;
    byOid.set(Buffer.from(id.content).toString("hex"), value.content);
  }
  return byOid;
}

function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements: Element[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const next = firstElement(rest);
    if (next === undefined) return undefined;
    elements.push(next);
    rest = rest.subarray(next.whole.length);
  }
  return elements;
}

function firstElement(bytes: Uint8Array): Element | undefined {
  const [tag, short] = bytes;
  if (tag === undefined || short === undefined) return undefined;
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  if (short === 0x80 || lengthBytes > 4 || bytes.length < 2 + lengthBytes) return undefined;
  const digits = bytes.subarray(2, 2 + lengthBytes);
  const size = short < 0x80 ? short : digits.reduce((sum, digit) => sum * 256 + digit, 0);
  const start = 2 + lengthBytes;
  if (start + size > bytes.length) return undefined;
  return { tag, whole: bytes.subarray(0, start + size), content: bytes.subarray(start, start + size) };
}

/** A certificate revocation list as far as its signature is concerned. */
export interface RevocationList {
  /** DER of what is signed. */
  readonly signed: Uint8Array;
  /** Content of the algorithm's object identifier, hexadecimal. */
  readonly algorithm: string;
  readonly signature: Uint8Array;
  /** DER of the issuer's name. */
  readonly issuer: Uint8Array;
}

/** The parts of a DER revocation list (RFC 5280 §5.1); undefined when it isn't one. */
export function readRevocationList(der: Uint8Array): RevocationList | undefined {
  const list = firstElement(der);
  if (list?.tag !== 0x30 || list.whole.length !== der.length) return undefined;
  const [signed, algorithm, signature, ...rest] = elementsOf(list.content) ?? [];
  if (signed?.tag !== 0x30 || algorithm?.tag !== 0x30 || signature?.tag !== 0x03 || rest.length > 0) return undefined;
  const fields = elementsOf(signed.content);
  // version (optional), signature, issuer, this update, …
  const shift = fields?.[0]?.tag === 0x02 ? 1 : 0;
  const issuer = fields?.[shift + 1];
  const updated = fields?.[shift + 2]?.tag;
  const id = firstElement(algorithm.content);
  if (issuer?.tag !== 0x30 || id?.tag !== 0x06 || (updated !== 0x17 && updated !== 0x18)) return undefined;
  return {
    signed: signed.whole,
    algorithm: Buffer.from(id.content).toString("hex"),
    // The first byte counts unused bits; signatures have none.
    signature: signature.content.subarray(1),
    issuer: issuer.whole,
  };
}
