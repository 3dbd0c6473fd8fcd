// Numbers of public keys: base64url ↔ integer, and whether RSA and elliptic-curve numbers make a key at all. Pure arithmetic, because one key
// that Envoy can't read makes it refuse a whole configuration.

/** The bytes of base64url text with or without padding; undefined when it is none. */
export function parseBase64url(text: string): Uint8Array | undefined {
  const digits = text.replace(/={1,2}$/, "");
  if (!/^[A-Za-z0-9_-]+$/.test(digits) || digits.length % 4 === 1) return undefined;
  return Uint8Array.from(atob(digits.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

/** Without padding. */
export function printBase64url(bytes: Uint8Array): string {
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** RFC 7518, 3.3: RSA keys below 2048 bits are not used; BoringSSL takes none above 8192. */
const rsaBits = { from: 2048, to: 8192 } as const;
/** BoringSSL: an odd exponent of at most 33 bits, not 1. */
const maxExponent = 2n ** 33n;

/** Whether two big-endian numbers are an RSA key of a size in use. */
export function isRsaKey(modulus: Uint8Array, exponent: Uint8Array): boolean {
  const n = integerOf(modulus);
  const e = integerOf(exponent);
  const bits = n.toString(2).length;
  return bits >= rsaBits.from && bits <= rsaBits.to && n % 2n === 1n && e > 1n && e < maxExponent && e % 2n === 1n;
}

interface Curve {
  /** Bytes of a coordinate. */
  readonly size: number;
  readonly p: bigint;
  readonly b: bigint;
}

/** y² = x³ - 3x + b modulo p (FIPS 186-4, D.1.2). */
const curves = {
  "P-256": {
    size: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  "P-384": {
    size: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  "P-521": {
    size: 66,
    p: 2n ** 521n - 1n,
    b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
} as const satisfies Readonly<Record<string, Curve>>;

export type CurveName = keyof typeof curves;

/** Whether two coordinates are a point of the curve. */
export function isCurvePoint(name: CurveName, x: Uint8Array, y: Uint8Array): boolean {
  const { size, p, b }: Curve = curves[name];
  if (x.length !== size || y.length !== size) return false;
  const [u, v] = [integerOf(x), integerOf(y)];
  if (u >= p || v >= p) return false;
  return (v * v - (u * u * u - 3n * u + b)) % p === 0n;
}

function integerOf(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
}
