// The last good credentials over restarts of the control plane: a file of its owner alone, replaced as a whole, read again as strictly as Secrets.

import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { Reading } from "../ca/tls-credential.ts";
import { readServerCertificate, readTrustedCas } from "../ca/tls-credential.ts";
import type { HeldCredential, KeptCredentials } from "./credentials.ts";

const schema = z.array(
  z.tuple([
    z.string(),
    z.object({
      certificate: z.object({ chainPem: z.string(), keyPem: z.string() }).optional(),
      roots: z.object({ rootsPem: z.string(), crlPem: z.string().optional() }).optional(),
    }),
  ]),
);

/** What the process before this one served; nothing when there is no readable file. */
export function readCredentials(path: string): ReadonlyMap<string, HeldCredential> {
  try {
    return new Map(schema.parse(JSON.parse(readFileSync(path, "utf8"))).map(([id, kept]) => [id, heldOf(kept)]));
  } catch {
    return new Map();
  }
}

/** Replaces the file. */
export function writeCredentials(path: string, kept: KeptCredentials): void {
  const temporary = `${path}.new`;
  // An old file would keep its mode.
  rmSync(temporary, { force: true });
  writeFileSync(temporary, JSON.stringify([...kept]), { mode: 0o600, flag: "wx" });
  chmodSync(temporary, 0o600);
  renameSync(temporary, path);
}

function heldOf({ certificate, roots }: z.output<typeof schema>[number][1]): HeldCredential {
  const named = (where: string, text: string) => ({ where, text });
  return {
    certificate: certificate && readValue(readServerCertificate(named("chain", certificate.chainPem), named("key", certificate.keyPem))),
    roots:
      roots &&
      readValue(readTrustedCas(named("roots", roots.rootsPem), roots.crlPem === undefined ? undefined : named("crl", roots.crlPem))),
  };
}

function readValue<Value>(reading: Reading<Value>): Value | undefined {
  return "value" in reading ? reading.value : undefined;
}
