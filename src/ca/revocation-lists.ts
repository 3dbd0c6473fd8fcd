// PEM revocation lists of users: whether Envoy can read them, and whose they are. A list with its CA's signature is as the CA made it. Pure.

import { verify, type X509Certificate } from "node:crypto";
import { readCertificate, readRevocationList } from "./der-reader.ts";
import { splitBlocks } from "./pem.ts";

export interface RevocationLists {
  /** Nothing but the lists. */
  readonly pem: string;
  /** One of them is of a CA that isn't among those given: nobody can tell whether it is whole. */
  readonly isForeign: boolean;
}

/** All lists of a text; `cas` are those whose signatures can be checked. */
export function readRevocationLists(text: string, cas: readonly X509Certificate[]): RevocationLists | "unreadable" | "forged" {
  const blocks = splitBlocks(text).filter(({ label }) => label === "X509 CRL");
  const trust = blocks.map(({ der }) => trustIn(der, cas));
  if (blocks.length === 0 || trust.includes("unreadable")) return "unreadable";
  if (trust.includes("forged")) return "forged";
  return { pem: blocks.map(({ pem }) => pem).join(""), isForeign: trust.includes("foreign") };
}

/** By the algorithm's object identifier: sha256, sha384 and sha512 with RSA, and with ECDSA. */
const digests: ReadonlyMap<string, string> = new Map([
  ["2a864886f70d01010b", "sha256"],
  ["2a864886f70d01010c", "sha384"],
  ["2a864886f70d01010d", "sha512"],
  ["2a8648ce3d040302", "sha256"],
  ["2a8648ce3d040303", "sha384"],
  ["2a8648ce3d040304", "sha512"],
]);

function trustIn(der: Uint8Array, cas: readonly X509Certificate[]): "whole" | "forged" | "foreign" | "unreadable" {
  const list = readRevocationList(der);
  if (list === undefined) return "unreadable";
  const issuers = cas.filter(({ raw }) => Buffer.compare(readCertificate(raw)?.subject ?? new Uint8Array(), list.issuer) === 0);
  if (issuers.length === 0) return "foreign";
  const digest = digests.get(list.algorithm);
  if (digest === undefined) return "whole";
  return issuers.some(({ publicKey }) => verify(digest, list.signed, publicKey, list.signature)) ? "whole" : "forged";
}
