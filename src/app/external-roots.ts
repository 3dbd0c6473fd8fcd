// CAs of the programs that stand in for hosts outside the mesh: trusted beside the system's, so that TLS to a stand-in is TLS to the real host.
// A stand-in may write its certificate when it starts, so files are looked at again.

import { readFileSync, statSync } from "node:fs";
import type { Pod } from "../api/kubernetes/pod.ts";
import { systemRootsPem } from "../ca/system-roots.ts";
import { readTrustedCas } from "../ca/tls-credential.ts";
import { externalCaFileAnnotation, externalNamespace } from "./external-hosts.ts";

/** Longest file that is read. */
const maxBytes = 1024 * 1024;

interface KnownFile {
  /** Size and time of the file that was read; "" when it could not be. */
  readonly stamp: string;
  readonly pem: string;
}

export class ExternalRoots {
  readonly #files = new Map<string, KnownFile>();
  #pods: readonly Pod[] = [];
  #pem: string | undefined;

  /** The system's roots and the stand-ins', PEM; the same text until one changed. */
  pem(): string {
    this.#pem ??= [systemRootsPem(), ...[...this.#files].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, { pem }]) => pem)].join("");
    return this.#pem;
  }

  /** Takes the stand-ins of a snapshot. */
  follow(pods: readonly Pod[]): void {
    if (pods === this.#pods) return;
    this.#pods = pods;
    const wanted = new Set(pods.flatMap(caFileOf));
    for (const path of this.#files.keys()) if (!wanted.has(path)) this.#forget(path);
    for (const path of wanted) if (!this.#files.has(path)) this.#files.set(path, { stamp: "", pem: "" });
  }

  /** Looks at the files; true when the roots changed. */
  refresh(): boolean {
    let isChanged = false;
    for (const [path, known] of this.#files) {
      const stamp = stampOf(path);
      if (stamp === known.stamp) continue;
      const pem = stamp === "" ? "" : readCertificates(path);
      this.#files.set(path, { stamp, pem });
      isChanged ||= pem !== known.pem;
    }
    if (isChanged) this.#pem = undefined;
    return isChanged;
  }

  #forget(path: string): void {
    this.#files.delete(path);
    this.#pem = undefined;
  }
}

function caFileOf({ metadata }: Pod): readonly string[] {
  const path = metadata.namespace === externalNamespace ? metadata.annotations[externalCaFileAnnotation] : undefined;
  return path === undefined ? [] : [path];
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
