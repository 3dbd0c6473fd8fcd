// A Secret resource → the certificate and the CAs in it, under Kubernetes' key names or Istio's. Source: Istio pkg/…/credentials/kube/secrets.go.

import type { Secret } from "../api/kubernetes/secret.ts";
import type { NamedText, Reading, ServerCertificate, TrustedCas } from "../ca/tls-credential.ts";
import { readServerCertificate, readTrustedCas } from "../ca/tls-credential.ts";
import { memoObject } from "../model/memo.ts";

/** What a Secret holds; undefined for what it doesn't have at all. */
export interface SecretContent {
  readonly certificate: Reading<ServerCertificate> | undefined;
  readonly roots: Reading<TrustedCas> | undefined;
}

/** Reads a Secret; remembered for the object. */
export const readSecret: (secret: Secret) => SecretContent = memoObject((secret) => ({
  certificate: certificateOf(secret),
  roots: rootsOf(secret),
}));

/** Istio's generic names come first, as there. */
const certificateKeys = [
  { chain: "cert", key: "key" },
  { chain: "tls.crt", key: "tls.key" },
] as const;
const rootsKeys = ["cacert", "ca.crt"] as const;
const crlKeys = ["crl", "ca.crl"] as const;

function certificateOf(secret: Secret): Reading<ServerCertificate> | undefined {
  for (const names of certificateKeys) {
    const chain = textOf(secret, names.chain);
    const key = textOf(secret, names.key);
    if (chain !== undefined && key !== undefined) return readServerCertificate(chain, key);
  }
  const some = certificateKeys.find(({ chain, key }) => textOf(secret, chain) !== undefined || textOf(secret, key) !== undefined);
  if (some === undefined) return undefined;
  const [has, lacks] = textOf(secret, some.chain) === undefined ? [some.key, some.chain] : [some.chain, some.key];
  return { problem: { message: `it has ${has}, but no ${lacks}`, fix: `Add ${lacks} to the Secret.` } };
}

function rootsOf(secret: Secret): Reading<TrustedCas> | undefined {
  const roots = firstText(secret, rootsKeys);
  return roots && readTrustedCas(roots, firstText(secret, crlKeys));
}

function firstText(secret: Secret, names: readonly string[]): NamedText | undefined {
  return names.map((name) => textOf(secret, name)).find((text) => text !== undefined);
}

/** Empty counts as missing, as in Secrets that cert-manager is about to fill. */
function textOf({ data, stringData }: Secret, name: string): NamedText | undefined {
  const plain = Object.hasOwn(stringData, name) ? stringData[name] : undefined;
  const encoded = Object.hasOwn(data, name) ? data[name] : undefined;
  const text = plain ?? (encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("utf8"));
  return text === undefined || text.trim() === "" ? undefined : { where: name, text };
}
