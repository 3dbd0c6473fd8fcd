// A test's own authority as the plug-in CA of a mesh (LATEEN_CA_DIRECTORY), so that the test can issue what the mesh's own never would.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestAuthority } from "./test-identities.ts";

/** A directory with the four files, removed in the end. */
export function plugInDirectory({ certificatePem, keyPem }: TestAuthority): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "lt-ca-"));
  for (const name of ["ca-cert.pem", "root-cert.pem", "cert-chain.pem"]) writeFileSync(join(path, name), certificatePem);
  writeFileSync(join(path, "ca-key.pem"), keyPem, { mode: 0o600 });
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
