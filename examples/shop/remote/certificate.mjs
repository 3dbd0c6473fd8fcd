// A fresh key and a self-signed certificate for one DNS name, so that no key lies in the repository and nothing needs to be installed.
// X.509 in DER (RFC 5280), signed with ECDSA P-256 and SHA-256; node:crypto signs, but can't build the certificate.
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];

function der(tag, ...contents) {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const sequence = (...items) => der(0x30, ...items);
const oid = (bytes) => der(0x06, Buffer.from(bytes));
const octets = (content) => der(0x04, content);
const bits = (content) => der(0x03, Buffer.from([0]), content);
const boolean = (value) => der(0x01, Buffer.from([value ? 0xff : 0]));
/** UTCTime, YYMMDDHHMMSSZ: right until 2049 (RFC 5280 §4.1.2.5.1). */
const time = (ms) => der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));

/** Certificate and private key in PEM for `dnsName`, valid from yesterday for 30 days. */
export function selfSigned(dnsName, now = Date.now()) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const name = sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(dnsName)))));
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x7f) | 0x40; // positive, no leading zero
  const altName = sequence(oid(SUBJECT_ALT_NAME), octets(sequence(der(0x82, Buffer.from(dnsName)))));
  const authority = sequence(oid(BASIC_CONSTRAINTS), boolean(true), octets(sequence(boolean(true))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, serial),
    algorithm,
    name,
    sequence(time(now - DAY_MS), time(now + 30 * DAY_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(authority, altName)),
  );
  const certificate = sequence(body, algorithm, bits(sign("sha256", body, privateKey)));
  return { certificate: pem(certificate), key: privateKey.export({ type: "pkcs8", format: "pem" }) };
}

function pem(bytes) {
  const lines = bytes
    .toString("base64")
    .match(/.{1,64}/g)
    .join("\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
