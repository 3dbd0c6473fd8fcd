// The keys that sign service-account tokens: P-256, kept in a private directory, replaced by and by, so that no verifier ever meets a key it
// doesn't know. Their public half is a JWK Set (RFC 7517).

import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { BadInput, Unavailable } from "../lib/errors.ts";
import { type Surroundings, systemSurroundings } from "./leaf.ts";
import { readGeneration, requirePrivateDirectory, writeGeneration } from "./private-files.ts";

/** One signing key as stored. */
export interface TokenKey {
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string;
  /** PKCS #8. */
  readonly keyPem: string;
  readonly createdAtMs: number;
}

export interface PublicJwk {
  readonly kty: "EC";
  readonly crv: "P-256";
  readonly alg: "ES256";
  readonly use: "sig";
  readonly kid: string;
  readonly x: string;
  readonly y: string;
}

/** Times of a key's life. */
export interface KeyPolicy {
  /** After this long the next key is made. Default 30 days; Kubernetes leaves it to its operator. */
  readonly rotateAfterMs: number;
  /** A new key signs only after this, when every process has read it. Default 5 minutes. */
  readonly publishMs: number;
  /** An old key verifies this long after the next one began to sign: as long as its last token lives. */
  readonly maxTokenLifetimeMs: number;
}

export const defaultKeyPolicy: KeyPolicy = { rotateAfterMs: 30 * 86_400_000, publishMs: 300_000, maxTokenLifetimeMs: 86_400_000 };

/** The keys of one authority, newest first. */
export interface TokenKeys {
  /** Which key signs now. */
  signer(): SigningKey;
  /** Which key verifies tokens of this kid; undefined when there is none. */
  verifier(kid: string): KeyObject | undefined;
  jwks(): { readonly keys: readonly PublicJwk[] };
  /** Reads the file again, makes the next key when due and drops those nobody needs. True when something changed. @throws MeshError */
  refresh(): boolean;
  /** Makes the next key now. */
  rotate(): void;
}

export interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject;
}

const fileName = "token-keys";
const maxAttempts = 20;
const schema = z.strictObject({
  version: z.literal(1),
  keys: z.array(z.strictObject({ kid: z.string(), keyPem: z.string(), createdAtMs: z.number() })).min(1),
});

/** The key that signs at a time: the newest one published long enough, or the oldest when none is. */
export function signingKey<Key extends TokenKey>(keys: readonly Key[], nowMs: number, { publishMs }: KeyPolicy): Key | undefined {
  const newestFirst = keys.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  return newestFirst.find(({ createdAtMs }) => createdAtMs + publishMs <= nowMs) ?? newestFirst.at(-1);
}

/** The keys to keep at a time: the newest, and each whose last token may still live. */
export function neededKeys(keys: readonly TokenKey[], nowMs: number, { publishMs, maxTokenLifetimeMs }: KeyPolicy): readonly TokenKey[] {
  const newestFirst = keys.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  return newestFirst.filter((_, index) => {
    const successor = newestFirst[index - 1];
    return successor === undefined || nowMs < successor.createdAtMs + publishMs + maxTokenLifetimeMs;
  });
}

/** True when the next key is to be made. */
export function isKeyDue(keys: readonly TokenKey[], nowMs: number, { rotateAfterMs }: KeyPolicy): boolean {
  return keys.every(({ createdAtMs }) => createdAtMs + rotateAfterMs <= nowMs);
}

/** Makes a signing key. */
export function makeTokenKey(createdAtMs: number): TokenKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { kid: thumbprintOf(publicKey), keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), createdAtMs };
}

export interface TokenKeysOptions {
  /** Made when missing, mode 0700. */
  readonly directory: string;
  readonly surroundings?: Surroundings;
  readonly policy?: KeyPolicy;
}

/**
 * Opens the token keys of a directory; the first one makes a key. Several processes may do so at once.
 *
 * @throws UserError for wide permissions, BadInput for a damaged file, Unavailable when the disk refuses.
 */
export function openTokenKeys({ directory, surroundings = systemSurroundings, policy = defaultKeyPolicy }: TokenKeysOptions): TokenKeys {
  requirePrivateDirectory(directory);
  const { clock } = surroundings;
  const keep = (keys: readonly TokenKey[]) => (isKeyDue(keys, clock.now(), policy) ? [makeTokenKey(clock.now()), ...keys] : keys);
  const update = (change: (keys: readonly TokenKey[]) => readonly TokenKey[]) =>
    updated(directory, (keys) => neededKeys(change(keys), clock.now(), policy));
  let current = update(keep);
  return {
    signer: () => {
      const signer = signingKey(current.keys, clock.now(), policy);
      if (signer === undefined) throw new Unavailable("there is no key to sign tokens with");
      return { kid: signer.kid, key: signer.privateKey };
    },
    verifier: (kid) => current.keys.find((key) => key.kid === kid)?.publicKey,
    jwks: () => ({ keys: current.keys.map(({ kid, publicKey }) => publicJwk(kid, publicKey)) }),
    refresh: () => {
      const before = current.text;
      current = update(keep);
      return current.text !== before;
    },
    rotate: () => {
      current = update((keys) => [makeTokenKey(clock.now()), ...keys]);
    },
  };
}

interface LoadedKey extends TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

interface Loaded {
  readonly keys: readonly LoadedKey[];
  readonly text: string;
}

function updated(directory: string, change: (keys: readonly TokenKey[]) => readonly TokenKey[]): Loaded {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const stored = readGeneration(directory, fileName);
    const where = join(directory, `${fileName}.${stored?.number ?? 1}.json`);
    const keys = change(stored === undefined ? [] : loadedKeys(stored.text, where)).map(({ kid, keyPem, createdAtMs }) => ({
      kid,
      keyPem,
      createdAtMs,
    }));
    const text = `${JSON.stringify({ version: 1, keys }, undefined, 2)}\n`;
    if (text === stored?.text || writeGeneration(directory, fileName, { number: stored?.number ?? 0, text })) {
      return { keys: loadedKeys(text, where), text };
    }
  }
  throw new Unavailable(`other processes keep changing the token keys in ${directory}`, {
    fix: "let only one control plane use a directory",
  });
}

function loadedKeys(text: string, where: string): readonly LoadedKey[] {
  try {
    return schema.parse(JSON.parse(text)).keys.map((key) => {
      const privateKey = createPrivateKey(key.keyPem);
      const publicKey = createPublicKey(privateKey);
      if (thumbprintOf(publicKey) !== key.kid) throw new BadInput("a key doesn't have its name");
      return { ...key, privateKey, publicKey };
    });
  } catch {
    throw new BadInput(`${where} is damaged: it holds no token keys`, {
      fix: `restore it from a backup, or remove it (tokens made before are then refused): rm ${where}`,
    });
  }
}

function publicJwk(kid: string, key: KeyObject): PublicJwk {
  return { ...coordinatesOf(key), alg: "ES256", use: "sig", kid };
}

/** RFC 7638: SHA-256 of the required members in lexicographic order. */
function thumbprintOf(key: KeyObject): string {
  const { crv, kty, x, y } = coordinatesOf(key);
  return hash("sha256", JSON.stringify({ crv, kty, x, y }), "base64url");
}

function coordinatesOf(key: KeyObject) {
  const { kty, crv, x, y } = key.export({ format: "jwk" });
  if (kty !== "EC" || crv !== "P-256" || typeof x !== "string" || typeof y !== "string")
    throw new BadInput("a token key must be a P-256 key");
  return { kty, crv, x, y } as const;
}
