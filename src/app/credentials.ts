// Secrets that Gateways and DestinationRules name → what proxies get by SDS. Of each the last good content serves: a bad, expired or deleted
// Secret is reported and changes nothing. In: snapshots and the time. Out: usable names for the model, Envoy's Secrets, what is wrong.

import type { SecretJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { Secret } from "../api/kubernetes/secret.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { CredentialProblem, Reading, ServerCertificate, TrustedCas } from "../ca/tls-credential.ts";
import { timeProblem } from "../ca/tls-credential.ts";
import { credentialSecretName } from "../envoy/names.ts";
import type { CredentialParts, UsableCredentials } from "../model/gateway-tls.ts";
import { tlsCertificateSecret, validationContextSecret } from "../translate/secret/secret.ts";
import { credentialNames, rootsSuffix } from "./credential-uses.ts";
import { readSecret } from "./secret-reading.ts";

/** One part of a credential as it stands. */
export interface PartState<Value> {
  /** What serves; undefined when there never was a good one. */
  readonly held: Value | undefined;
  /** "default/shop-cert": where it comes, or should come from. */
  readonly secret: string;
  /** Why what is in the store now is not what serves, or should not be; undefined when all is well. */
  readonly problem: PartProblem | undefined;
  /** Of what serves. */
  readonly flaws: readonly CredentialProblem[];
}

export interface PartProblem extends CredentialProblem {
  /** "missing": there is nothing to be judged; "refused": there is, and it is not taken; "ended": it still serves, but should not. */
  readonly kind: "missing" | "refused" | "ended";
}

/** What has been good, by "<namespace>/<name>", to be kept over a restart; holds private keys. */
export interface KeptCredential {
  readonly certificate?: { readonly chainPem: string; readonly keyPem: string } | undefined;
  readonly roots?: { readonly rootsPem: string; readonly crlPem?: string | undefined } | undefined;
}

export type KeptCredentials = ReadonlyMap<string, KeptCredential>;

interface State {
  readonly certificate: PartState<ServerCertificate>;
  readonly roots: PartState<TrustedCas>;
}

export interface CredentialsOptions {
  /** What the process before this one kept. */
  readonly kept: ReadonlyMap<string, HeldCredential>;
  /** What serves has changed, to be kept privately. */
  readonly onKeep: (kept: KeptCredentials) => void;
}

/** A kept credential, read again. */
export interface HeldCredential {
  readonly certificate?: ServerCertificate | undefined;
  readonly roots?: TrustedCas | undefined;
}

export class Credentials {
  readonly #onKeep: (kept: KeptCredentials) => void;
  #states: ReadonlyMap<string, State>;
  #usable: UsableCredentials = new Map();
  /** By what it was made from. */
  readonly #secrets = new WeakMap<ServerCertificate | TrustedCas, SecretJson>();

  constructor({ kept, onKeep }: CredentialsOptions) {
    this.#onKeep = onKeep;
    this.#states = new Map([...kept].map(([id, held]) => [id, stateOf(id, held)]));
    this.#usable = usableOf(this.#states);
  }

  /** What gateways may name: an input of the model; the same object while nothing in it changed. */
  get usable(): UsableCredentials {
    return this.#usable;
  }

  /**
   * Takes a snapshot's Secrets. True when what proxies get changed: they need a push then. Certificates also begin and end by themselves, so it
   * is to be called now and then (a minute is often enough) without any change.
   */
  update(snapshot: Snapshot, nowMs: number): boolean {
    const before = this.#states;
    const next = new Map<string, State>();
    for (const id of credentialIds(snapshot, before.keys())) next.set(id, nextState({ id, before: before.get(id), snapshot, nowMs }));
    this.#states = next;
    const isSame = sameHeld(before, next);
    if (isSame) return false;
    const usable = usableOf(next);
    if (JSON.stringify([...usable]) !== JSON.stringify([...this.#usable])) this.#usable = usable;
    this.#onKeep(keptOf(next));
    return true;
  }

  /** A secret for a proxy of this namespace by its SDS name; undefined when there is no good one. */
  secretResource(namespace: string, sdsName: string): SecretJson | undefined {
    const scheme = credentialSecretName("");
    if (!sdsName.startsWith(scheme)) return undefined;
    const name = sdsName.slice(scheme.length);
    // A namespace has no "/" in it and neither has a Secret's name: nobody names another namespace's Secret this way.
    const base = name.endsWith(rootsSuffix) ? name.slice(0, -rootsSuffix.length) : undefined;
    const roots = base === undefined ? undefined : this.#states.get(`${namespace}/${base}`)?.roots.held;
    if (roots !== undefined) return this.#made(sdsName, roots, () => validationContextSecret(sdsName, roots));
    const certificate = this.#states.get(`${namespace}/${name}`)?.certificate.held;
    return certificate && this.#made(sdsName, certificate, () => tlsCertificateSecret(sdsName, certificate));
  }

  /** One part of "<namespace>/<name>"; undefined when nothing of that name was ever there. */
  part(id: string, part: keyof CredentialParts): PartState<ServerCertificate> | PartState<TrustedCas> | undefined {
    return this.#states.get(id)?.[part];
  }

  /** Ids that have a name, in all namespaces; sorted. */
  idsOf(name: string): readonly string[] {
    return [...this.#states.keys()].filter((id) => id.slice(id.indexOf("/") + 1) === name).sort();
  }

  /** The same object as long as nothing changed; one content may go by two names. */
  #made(name: string, from: ServerCertificate | TrustedCas, make: () => SecretJson): SecretJson {
    const known = this.#secrets.get(from);
    const secret = known?.name === name ? known : make();
    this.#secrets.set(from, secret);
    return secret;
  }
}

/** All credentials that somebody names and that are, or were, there. */
function credentialIds(snapshot: Snapshot, before: Iterable<string>): readonly string[] {
  const names = credentialNames(snapshot);
  const isNamed = (name: string) => names.has(name);
  const ids = new Set([...before].filter((id) => isNamed(id.slice(id.indexOf("/") + 1))));
  if (names.size === 0) return [];
  for (const { metadata } of snapshot.list("Secret")) {
    if (isNamed(metadata.name)) ids.add(`${metadata.namespace}/${metadata.name}`);
    const base = metadata.name.endsWith(rootsSuffix) ? metadata.name.slice(0, -rootsSuffix.length) : "";
    if (isNamed(base)) ids.add(`${metadata.namespace}/${base}`);
  }
  return [...ids].sort();
}

interface Step {
  readonly id: string;
  readonly before: State | undefined;
  readonly snapshot: Snapshot;
  readonly nowMs: number;
}

function nextState({ id, before, snapshot, nowMs }: Step): State {
  const slash = id.indexOf("/");
  const [namespace, name] = [id.slice(0, slash), id.slice(slash + 1)];
  const own = snapshot.get("Secret", namespace, name);
  // A Secret of its own for the CAs comes first, as in Istio.
  const beside = snapshot.get("Secret", namespace, `${name}${rootsSuffix}`);
  const rootsFrom = beside ?? own;
  return {
    certificate: nextPart({
      secret: id,
      found: own,
      reading: own && readSecret(own).certificate,
      what: "certificate",
      keys: "tls.crt and tls.key",
      held: before?.certificate,
      isSame: (a, b) => a.chainPem === b.chainPem && a.keyPem === b.keyPem,
      nowMs,
    }),
    roots: nextPart({
      secret: beside === undefined ? id : `${id}${rootsSuffix}`,
      found: rootsFrom,
      reading: rootsFrom && readSecret(rootsFrom).roots,
      what: "CA certificate",
      keys: "ca.crt",
      held: before?.roots,
      isSame: (a, b) => a.rootsPem === b.rootsPem && a.crlPem === b.crlPem,
      nowMs,
    }),
  };
}

interface PartStep<Value> {
  readonly secret: string;
  readonly found: Secret | undefined;
  readonly reading: Reading<Value> | undefined;
  readonly what: string;
  /** Kubernetes' names of what is read. */
  readonly keys: string;
  readonly held: PartState<Value> | undefined;
  readonly isSame: (a: Value, b: Value) => boolean;
  readonly nowMs: number;
}

type Periodic = Pick<ServerCertificate, "notBeforeMs" | "notAfterMs">;

function nextPart<Value extends Periodic>(step: PartStep<Value>): PartState<Value> {
  const { secret, found, reading, what, held, isSame, nowMs } = step;
  const serves = held?.held;
  const bad = (kind: PartProblem["kind"], problem: CredentialProblem): PartState<Value> => ({
    held: serves,
    secret,
    problem: { ...problem, kind },
    flaws: held?.flaws ?? [],
  });
  if (found === undefined) return bad("missing", { message: "there is no such Secret", fix: `Create it, with ${step.keys}.` });
  if (reading === undefined) return bad("missing", { message: `it has no ${what}`, fix: `Add ${step.keys} to it.` });
  if ("problem" in reading) return bad("refused", reading.problem);
  const problem = timeProblem(reading.value, `its ${what}`, nowMs);
  // The same objects for the same content: who compares them sees no change.
  const value = serves !== undefined && isSame(serves, reading.value) ? serves : reading.value;
  if (problem !== undefined && value !== serves) return bad("refused", problem);
  return { held: value, secret, problem: problem && { ...problem, kind: "ended" }, flaws: reading.flaws };
}

function stateOf(id: string, { certificate, roots }: HeldCredential): State {
  return {
    certificate: { held: certificate, secret: id, problem: undefined, flaws: [] },
    roots: { held: roots, secret: id, problem: undefined, flaws: [] },
  };
}

function usableOf(states: ReadonlyMap<string, State>): UsableCredentials {
  return new Map(
    [...states].map(([id, { certificate, roots }]) => [
      id,
      { certificate: certificate.held !== undefined, roots: roots.held !== undefined },
    ]),
  );
}

function sameHeld(a: ReadonlyMap<string, State>, b: ReadonlyMap<string, State>): boolean {
  if (a.size !== b.size) return false;
  return [...b].every(
    ([id, state]) => a.get(id)?.certificate.held === state.certificate.held && a.get(id)?.roots.held === state.roots.held,
  );
}

function keptOf(states: ReadonlyMap<string, State>): KeptCredentials {
  return new Map(
    [...states].map(([id, { certificate, roots }]) => [
      id,
      {
        certificate: certificate.held && { chainPem: certificate.held.chainPem, keyPem: certificate.held.keyPem },
        roots: roots.held && { rootsPem: roots.held.rootsPem, crlPem: roots.held.crlPem },
      },
    ]),
  );
}
