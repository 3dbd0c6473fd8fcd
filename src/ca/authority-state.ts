// What the authority keeps on disk: roots, the intermediate that signs, and how far a root rotation is. Text in, checked state out; and the
// rules that make any state whole again: the right intermediate for the phase, and no root longer than it is trusted.

import { z } from "zod";
import { BadInput, MeshError } from "../lib/errors.ts";
import { contentHash } from "../lib/hash.ts";
import { damaged, isIssuedBy, isSelfSigned, issuerOf, readCaCertificate } from "./ca-certificate.ts";
import { type CaCertificate, type Issuer, makeIntermediate, makeRoot, type Surroundings } from "./leaf.ts";
import { signingRoot, steadyRoot, trustedRoots } from "./root-rotation.ts";
import { decideIntermediateRenewal } from "./rotation.ts";

const rotationSchema = z.union([
  z.strictObject({ phase: z.literal("steady"), step: z.int().nonnegative(), current: z.string() }),
  z.strictObject({
    phase: z.enum(["distributing", "reissuing", "retiring", "returning"]),
    step: z.int().nonnegative(),
    current: z.string(),
    next: z.string(),
  }),
]);

const schema = z.strictObject({
  version: z.literal(1),
  roots: z.array(z.strictObject({ name: z.string(), certificatePem: z.string(), keyPem: z.string() })).min(1),
  intermediate: z.strictObject({ root: z.string(), certificatePem: z.string(), keyPem: z.string(), issuedAtMs: z.number() }),
  rotation: rotationSchema,
});

export type AuthorityState = z.infer<typeof schema>;

/** How long CA certificates live, and for which mesh. */
export interface CaPolicy {
  readonly trustDomain: string;
  readonly rootLifetimeMs: number;
  readonly intermediateLifetimeMs: number;
}

/**
 * Reads a stored state and checks that its certificates and keys belong together.
 *
 * @throws BadInput with the file's name and what to do.
 */
export function parseState(text: string, where: string): AuthorityState {
  const result = schema.safeParse(jsonOf(text));
  if (!result.success) throw damaged(where, "is damaged: it is not what the authority wrote", repairOf(where));
  try {
    checkConsistent(result.data, where);
  } catch (error) {
    throw damaged(where, `is damaged: ${MeshError.from(error).message}`, repairOf(where));
  }
  return result.data;
}

/** What to do when the stored state can't be used, with the exact command. */
export function repairOf(where: string): string {
  return `restore it from a backup, or remove it to begin with a new root (all workloads then get new certificates): rm ${where}`;
}

function checkConsistent(state: AuthorityState, where: string): void {
  const names = state.roots.map(({ name }) => name);
  if (names.some((name, index) => names.indexOf(name) !== index) || trustedRoots(state.rotation).some((name) => !names.includes(name))) {
    throw new BadInput("it names roots it doesn't hold");
  }
  for (const root of state.roots) rootIssuer(root, where);
  signingIssuer(state, where);
}

/** A new authority: one root and one intermediate. */
export function newState(policy: CaPolicy, surroundings: Surroundings): AuthorityState {
  const root = newRoot(policy, surroundings);
  const intermediate = newIntermediate(root, policy, surroundings);
  return { version: 1, roots: [root], intermediate, rotation: steadyRoot(root.name) };
}

/** Makes a root, named by its content. */
export function newRoot({ trustDomain, rootLifetimeMs }: CaPolicy, surroundings: Surroundings): AuthorityState["roots"][number] {
  const root = makeRoot({ trustDomain, lifetimeMs: rootLifetimeMs }, surroundings);
  return { name: contentHash(root.certificatePem), ...root };
}

/** The same state with what its rotation asks for: only trusted roots, and an intermediate of the signing root that isn't due. */
export function settled(state: AuthorityState, policy: CaPolicy, surroundings: Surroundings): AuthorityState {
  const trusted = trustedRoots(state.rotation);
  const roots = state.roots.filter(({ name }) => trusted.includes(name));
  const root = roots.find(({ name }) => name === signingRoot(state.rotation));
  const isCurrent = root?.name === state.intermediate.root && !isIntermediateDue(state, surroundings);
  if (isCurrent && roots.length === state.roots.length) return state;
  const intermediate = root === undefined || isCurrent ? state.intermediate : newIntermediate(root, policy, surroundings);
  return { ...state, roots, intermediate };
}

/** The issuer of leaves in this state. */
export function signingIssuer({ roots, intermediate }: AuthorityState, where: string): Issuer {
  const ca = readCaCertificate(intermediate.certificatePem, `the intermediate in ${where}`);
  const root = roots.find(({ name }) => name === intermediate.root);
  if (root === undefined || !isIssuedBy(ca, readCaCertificate(root.certificatePem, where))) {
    throw new BadInput("the intermediate isn't signed by its root");
  }
  return issuerOf(ca, intermediate.keyPem, { where: `the intermediate's key in ${where}`, chainPem: ca.pem, root: root.name });
}

function isIntermediateDue({ intermediate }: AuthorityState, { clock }: Surroundings): boolean {
  const { notBeforeMs, notAfterMs } = readCaCertificate(intermediate.certificatePem, "the intermediate");
  const { issuedAtMs } = intermediate;
  return decideIntermediateRenewal({ issuedAtMs, notBeforeMs, notAfterMs }, clock.now()).kind === "renew";
}

function newIntermediate(
  root: AuthorityState["roots"][number],
  policy: CaPolicy,
  surroundings: Surroundings,
): AuthorityState["intermediate"] {
  const request = { trustDomain: policy.trustDomain, lifetimeMs: policy.intermediateLifetimeMs };
  const made = makeIntermediate(rootIssuer(root, "the root"), request, surroundings);
  return { root: root.name, ...made, issuedAtMs: surroundings.clock.now() };
}

function rootIssuer({ certificatePem, keyPem }: CaCertificate, where: string): Issuer {
  const ca = readCaCertificate(certificatePem, `a root in ${where}`);
  if (!isSelfSigned(ca)) throw new BadInput("a root isn't signed by itself");
  return issuerOf(ca, keyPem, { where: `a root's key in ${where}`, chainPem: "", root: "" });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
