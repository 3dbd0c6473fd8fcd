// Private keys that users bring: PEM text in; a key that Envoy takes, or why it would not, out. Pure.

import { createPrivateKey, type KeyObject } from "node:crypto";
import type { NamedText, Reading } from "./credential-reading.ts";
import { splitBlocks } from "./pem.ts";

const curves: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);
/** Envoy refuses smaller ones. */
const minRsaBits = 2048;

/** Reads a private key that Envoy takes; messages never quote the text. */
export function readPrivateKey({ where, text }: NamedText): Reading<KeyObject> {
  if (!text.includes("PRIVATE KEY-----")) {
    return { problem: { message: `${where} holds no PEM private key`, fix: "Store the certificate's private key in PEM form." } };
  }
  if (/BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)) {
    return {
      problem: { message: `${where} is locked by a passphrase`, fix: "Store the key without passphrase: openssl pkey -in key.pem." },
    };
  }
  try {
    const key = createPrivateKey(keyBlock(text));
    const weakness = keyWeakness(key);
    if (weakness === undefined) return { value: key, flaws: [] };
    return { problem: { message: `${where} is ${weakness}`, fix: "Use a P-256, P-384, P-521 or RSA key of at least 2048 bits." } };
  } catch {
    // node:crypto's own words may quote the text.
    return {
      problem: { message: `${where} can't be read as a private key`, fix: "Store the certificate's private key in PEM form, unchanged." },
    };
  }
}

function keyWeakness(key: KeyObject): string | undefined {
  const { namedCurve = "", modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") return curves.has(namedCurve) ? undefined : `a key of the curve ${namedCurve}, which Envoy refuses`;
  if (key.asymmetricKeyType !== "rsa") return `a key of type ${key.asymmetricKeyType ?? "unknown"}, which Envoy refuses`;
  return modulusLength >= minRsaBits ? undefined : `an RSA key of ${modulusLength} bits, which Envoy refuses`;
}

/** The key of a PEM text alone: EC keys often have their parameters in front, and Envoy reads the first block. */
export function keyBlock(text: string): string {
  return splitBlocks(text).find(({ label }) => label.endsWith("PRIVATE KEY"))?.pem ?? text;
}
