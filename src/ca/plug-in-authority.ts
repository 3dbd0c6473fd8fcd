// An authority whose CA somebody else made: the four files Istio calls plug-in CA certificates, read only. Replace the files to rotate; refresh()
// takes them over when they fit together.

import { join } from "node:path";
import { contentHash } from "../lib/hash.ts";
import type { Authority, AuthorityStatus } from "./authority.ts";
import { caStatus, isAnyRootDue } from "./authority.ts";
import {
  damaged,
  isIssuedBy,
  isSelfSigned,
  issuerOf,
  type ReadCa,
  readCaCertificate,
  readCaCertificates,
  requireCurrent,
} from "./ca-certificate.ts";
import {
  defaultLifetimeMs,
  type IssuedCertificate,
  type Issuer,
  issueLeaf,
  type Surroundings,
  systemSurroundings,
  type WorkloadIdentity,
} from "./leaf.ts";
import { readPrivateFile, readPublicFile } from "./private-files.ts";

/** Names of the files (Istio: "Plug in CA Certificates"). */
const files = { certificate: "ca-cert.pem", key: "ca-key.pem", roots: "root-cert.pem", chain: "cert-chain.pem" } as const;

interface Loaded {
  readonly issuer: Issuer;
  readonly roots: readonly ReadCa[];
  readonly text: string;
}

export interface PlugInOptions {
  /** Holds ca-cert.pem, ca-key.pem, root-cert.pem and cert-chain.pem. */
  readonly directory: string;
  readonly trustDomain: string;
  readonly surroundings?: Surroundings;
}

/**
 * Opens plug-in CA files.
 *
 * @throws UserError when others may read the key; BadInput when a file is missing, damaged, expired, or doesn't belong to the others.
 */
export function openPlugInAuthority({ directory, trustDomain, surroundings = systemSurroundings }: PlugInOptions): Authority {
  let loaded = load(directory, surroundings.clock.now());
  return {
    trustDomain,
    issue: (identity: WorkloadIdentity, { lifetimeMs = defaultLifetimeMs } = {}): IssuedCertificate => {
      const { namespace, serviceAccount, workload } = identity;
      const id = { trustDomain: identity.trustDomain ?? trustDomain, namespace, serviceAccount };
      return issueLeaf(loaded.issuer, { id, workload, lifetimeMs }, surroundings);
    },
    trustBundlePem: () => joined(loaded.roots),
    status: () => statusOf(loaded, surroundings.clock.now()),
    refresh: () => {
      const before = loaded.text;
      loaded = load(directory, surroundings.clock.now());
      return loaded.text !== before;
    },
  };
}

function statusOf({ issuer, roots }: Loaded, nowMs: number): AuthorityStatus {
  const { notBeforeMs, notAfterMs, root } = issuer;
  const isRootDue = isAnyRootDue(roots, nowMs);
  return { source: "plug-in", roots: roots.map(caStatus), issuer: { notBeforeMs, notAfterMs, root }, rotation: undefined, isRootDue };
}

function load(directory: string, nowMs: number): Loaded {
  const where = (name: keyof typeof files) => join(directory, files[name]);
  const keyText = readPrivateFile(where("key"), "group");
  const [certificateText, rootsText, chainText] = [where("certificate"), where("roots"), where("chain")].map(readPublicFile);
  const certificate = readCaCertificate(certificateText ?? "", where("certificate"));
  const roots = readCaCertificates(rootsText ?? "", where("roots"));
  const chain = chainOf(certificate, readCaCertificates(chainText ?? "", where("chain")));
  const fix = "replace it by a new one; nobody accepts what is signed under it";
  for (const ca of chain) requireCurrent(ca, where(ca === certificate ? "certificate" : "chain"), { nowMs, fix });
  const currentRoots = roots.filter((root) => root.notBeforeMs <= nowMs && nowMs < root.notAfterMs);
  requirePath(chain, currentRoots, directory);
  // A certificate that is itself a root is not sent: who trusts it has it.
  const sent = isSelfSigned(certificate) ? [] : chain;
  const top = chain.at(-1) ?? certificate;
  const signers = currentRoots.filter((root) => leadsTo(top, root));
  const notAfterMs = Math.min(Math.max(...signers.map((root) => root.notAfterMs)), ...chain.map((ca) => ca.notAfterMs));
  const root = contentHash(joined(signers));
  const issuer = issuerOf(certificate, keyText, { where: where("key"), chainPem: joined(sent), root });
  const text = [certificateText, keyText, rootsText, chainText].join("\n");
  return { issuer: { ...issuer, notAfterMs }, roots, text };
}

/** From the CA certificate upwards, without roots; cert-chain.pem may or may not begin with the CA certificate, and may end with the root. */
function chainOf(certificate: ReadCa, listed: readonly ReadCa[]): readonly ReadCa[] {
  const above = listed.filter((ca) => ca.pem !== certificate.pem && !isSelfSigned(ca));
  return [certificate, ...above];
}

function requirePath(chain: readonly ReadCa[], roots: readonly ReadCa[], directory: string): void {
  chain.forEach((ca, index) => {
    const next = chain[index + 1];
    const isSigned = next === undefined ? roots.some((root) => leadsTo(ca, root)) : isIssuedBy(ca, next);
    if (isSigned) return;
    const by = next === undefined ? `a root of ${files.roots} that is valid now` : `the next one in ${files.chain}`;
    const subject = ca.x509.subject.replaceAll("\n", ", ");
    throw damaged(join(directory, files.certificate), `leads to no root: "${subject}" isn't signed by ${by}`);
  });
}

function joined(certificates: readonly ReadCa[]): string {
  return certificates.map(({ pem }) => pem).join("");
}

function leadsTo(ca: ReadCa, root: ReadCa): boolean {
  return root.pem === ca.pem || isIssuedBy(ca, root);
}
