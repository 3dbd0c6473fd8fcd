// A small writer of DER (X.690), as much as certificates need: values in, bytes out. Pure.

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

const encoder = new TextEncoder();

/** One element with its tag and length. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const header = headerOf(tag, size);
  const bytes = new Uint8Array(header.length + size);
  bytes.set(header);
  let at = header.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(tags.sequence, ...parts);
}

export function setOf(...parts: readonly Uint8Array[]): Uint8Array {
  return element(tags.set, ...parts);
}

export function octetString(...parts: readonly Uint8Array[]): Uint8Array {
  return element(tags.octetString, ...parts);
}

export function utf8String(text: string): Uint8Array {
  return element(tags.utf8String, encoder.encode(text));
}

export function boolean(value: boolean): Uint8Array {
  return Uint8Array.of(tags.boolean, 1, value ? 0xff : 0);
}

/** A BIT STRING of whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(tags.bitString, Uint8Array.of(0), bytes);
}

/** A BIT STRING of named flags, as in KeyUsage: bit 0 is the first one; trailing zeros are left out. */
export function namedBits(...bits: readonly number[]): Uint8Array {
  const last = Math.max(0, ...bits);
  const bytes = new Uint8Array(Math.floor(last / 8) + 1);
  for (const bit of bits) bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) | (0x80 >>> (bit & 7));
  return element(tags.bitString, Uint8Array.of(7 - (last & 7)), bytes);
}

/** A non-negative INTEGER given as its big-endian bytes. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const isNegativeLooking = (digits[0] ?? 0) >= 0x80;
  return isNegativeLooking ? element(tags.integer, Uint8Array.of(0), digits) : element(tags.integer, digits);
}

/** An OBJECT IDENTIFIER from its dotted form; meant for constants. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(tags.oid, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** A certificate's time: UTCTime until 2049, then GeneralizedTime (RFC 5280 §4.1.2.5); whole seconds, rounded down. */
export function time(epochMs: number): Uint8Array {
  const digits = new Date(epochMs)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-T:]/g, "");
  const year = Number(digits.slice(0, 4));
  const isUtcTime = year >= 1950 && year < 2050;
  return isUtcTime ? element(tags.utcTime, encoder.encode(digits.slice(2))) : element(tags.generalizedTime, encoder.encode(digits));
}

/** A context-specific element: `[n]`, constructed or primitive. */
export function context(number: number, isConstructed: boolean, ...parts: readonly Uint8Array[]): Uint8Array {
  return element((isConstructed ? 0xa0 : 0x80) | number, ...parts);
}

function headerOf(tag: number, size: number): Uint8Array {
  if (size < 0x80) return Uint8Array.of(tag, size);
  const digits: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return Uint8Array.of(tag, 0x80 | digits.length, ...digits);
}

function base128(value: number): readonly number[] {
  const digits = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80);
  return digits;
}
