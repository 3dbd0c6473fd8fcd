// The second name in a workload's certificate, a DNS SAN only this mesh writes: <version>.<workload>.<namespace>.workload.lateen. Telemetry reads
// it at the other end of a connection. Not an identity: policies match URI SANs only. Pure but for the hash.

import { isDnsLabel } from "../api/names.ts";
import { BadInput } from "../lib/errors.ts";
import { contentHash } from "../lib/hash.ts";

/** What a certificate says about its workload beside the identity. */
export interface WorkloadName {
  /** The pod's `version` label, any text; Istio's metrics say "latest" without one. */
  readonly version: string;
  /** Name of the Deployment (or whatever made the pod). */
  readonly workload: string;
  readonly namespace: string;
}

const suffix = ".workload.lateen";
/** Longest DNS label (RFC 1035 §2.3.4). */
const maxLabel = 63;

/**
 * Prints the DNS SAN. Characters that a DNS label can't have are written `_xx` (hexadecimal UTF-8); a part longer than 63 is cut and marked
 * with `_h` and a hash, so that different names stay different.
 *
 * @throws BadInput when the namespace is no DNS label or a part is empty.
 */
export function workloadDnsName({ version, workload, namespace }: WorkloadName): string {
  if (!isDnsLabel(namespace) || workload === "" || version === "") {
    throw new BadInput("the workload's name for its certificate needs a version, a workload and a namespace", {
      fix: 'give the pod a name and a namespace; its version is "latest" when it has no version label',
    });
  }
  return `${labelOf(version)}.${labelOf(workload)}.${namespace}${suffix}`;
}

/** Reads what workloadDnsName prints; undefined for everything else. A part that was cut comes back as it is in the certificate. */
export function parseWorkloadDnsName(text: string): WorkloadName | undefined {
  if (!text.endsWith(suffix) || text.length > 255) return undefined;
  const [version, workload, namespace, ...more] = text.slice(0, -suffix.length).split(".");
  if (version === undefined || workload === undefined || namespace === undefined || more.length > 0) return undefined;
  const parts = { version: textOf(version), workload: textOf(workload), namespace };
  if (parts.version === undefined || parts.workload === undefined || !isDnsLabel(namespace)) return undefined;
  return { version: parts.version, workload: parts.workload, namespace };
}

function labelOf(text: string): string {
  const escaped = [...new TextEncoder().encode(text)].map(escapedByte).join("");
  return escaped.length <= maxLabel ? escaped : `${escaped.slice(0, 45).replace(/_[0-9a-f]?$/, "")}_h${contentHash(text)}`;
}

function escapedByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[a-z0-9-]/.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`;
}

function textOf(label: string): string | undefined {
  if (label.length > maxLabel) return undefined;
  if (/^(?:[a-z0-9-]|_[0-9a-f]{2})*_h[0-9a-f]{16}$/.test(label)) return label;
  if (!/^(?:[a-z0-9-]|_[0-9a-f]{2})+$/.test(label)) return undefined;
  const bytes = (label.match(/_[0-9a-f]{2}|[a-z0-9-]/g) ?? []).map((part) =>
    part.startsWith("_") ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0),
  );
  const text = new TextDecoder().decode(Uint8Array.from(bytes));
  return labelOf(text) === label ? text : undefined;
}
