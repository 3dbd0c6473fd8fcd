// CAs of the programs that stand in for hosts outside the mesh: TLS to a stand-in is checked against its own CA, as that of the real host is
// against the system's. A stand-in may write its certificate when it starts, so files are looked at again.

import { readFileSync, statSync } from "node:fs";
import type { Pod } from "../api/kubernetes/pod.ts";
import { readTrustedCas } from "../ca/tls-credential.ts";
import { externalHostsAnnotation } from "../model/name-table.ts";
import { externalCaFileAnnotation, externalNamespace } from "./external-hosts.ts";

/** Longest file that is read. */
const maxBytes = 1024 * 1024;

interface KnownFile {
  readonly path: string;
  /** Size and time of the file that was read; "" when it could not be. */
  readonly stamp: string;
  readonly pem: string;
}

export class ExternalRoots {
  /** By host. */
  readonly #files = new Map<string, KnownFile>();
  #pods: readonly Pod[] = [];

  /** The CA certificates of a host's stand-in, PEM; undefined while it has none. Trusted for that host alone. */
  pemOf(host: string): string | undefined {
    const pem = this.#files.get(host)?.pem;
    return pem === "" ? undefined : pem;
  }

  /** Takes the stand-ins of a snapshot. */
  follow(pods: readonly Pod[]): void {
    if (pods === this.#pods) return;
    this.#pods = pods;
    const wanted = new Map(pods.flatMap(caFilesOf));
    for (const host of this.#files.keys()) if (!wanted.has(host)) this.#files.delete(host);
    for (const [host, path] of wanted) if (this.#files.get(host)?.path !== path) this.#files.set(host, { path, stamp: "", pem: "" });
  }

  /** Looks at the files; true when a CA changed. */
  refresh(): boolean {
    let isChanged = false;
    for (const [host, known] of this.#files) {
      const stamp = stampOf(known.path);
      if (stamp === known.stamp) continue;
      const pem = stamp === "" ? "" : readCertificates(known.path);
      this.#files.set(host, { ...known, stamp, pem });
      isChanged ||= pem !== known.pem;
    }
    return isChanged;
  }
}

/** The hosts whose stand-ins bring a CA of their own; a text that changes only with them. */
export function standInHosts(pods: readonly Pod[]): readonly string[] {
  return pods
    .flatMap(caFilesOf)
    .map(([host]) => host)
    .toSorted();
}

function caFilesOf({ metadata }: Pod): readonly (readonly [host: string, path: string])[] {
  const path = metadata.namespace === externalNamespace ? metadata.annotations[externalCaFileAnnotation] : undefined;
  const hosts = metadata.annotations[externalHostsAnnotation];
  return path === undefined || hosts === undefined ? [] : hosts.split(",").map((host) => [host.trim(), path] as const);
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size <= maxBytes ? `${found.size} ${found.mtimeMs} ${found.ino}` : "";
}

/** Half a file, or something else, is no CA: the next look may find it whole. */
function readCertificates(path: string): string {
  try {
    const read = readTrustedCas({ where: path, text: readFileSync(path, "utf8") }, undefined);
    return "value" in read ? read.value.rootsPem : "";
  } catch {
    return "";
  }
}
