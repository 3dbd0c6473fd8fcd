// Secrets for the real control plane's core in tests: a throwaway authority that makes whatever a proxy's configuration names.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CredentialSecrets, ProxySecrets } from "../../src/app/proxy-secrets.ts";
import { type Authority, openAuthority } from "../../src/ca/authority.ts";
import { systemRootsPem } from "../../src/ca/system-roots.ts";
import { WorkloadCertificates } from "../../src/ca/workload-certificates.ts";
import type { ProxyConfig } from "../../src/envoy/config.ts";
import type { Mesh, MeshProxy } from "../../src/model/mesh.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";

export interface TestSecrets extends Disposable {
  /** Signs the certificates of the mesh. */
  readonly authority: Authority;
  /** The configuration with the secrets it names, as the control plane would send it. */
  withSecrets(config: ProxyConfig, mesh: Mesh, proxy: MeshProxy): ProxyConfig;
  /** From now on every proxy has another certificate. */
  renew(): void;
}

/**
 * Starts an authority of its own for the default trust domain; `credentials` are Kubernetes Secrets by SDS name, `systemRoots` what the
 * machine trusts.
 */
export function startTestSecrets(
  credentials: CredentialSecrets = () => undefined,
  systemRoots: () => string = systemRootsPem,
): TestSecrets {
  const parent = mkdtempSync(join(tmpdir(), "lateen-ca-"));
  const authority = openAuthority({ directory: join(parent, "ca"), trustDomain: defaultMeshSettings.trustDomain });
  const start = () =>
    new ProxySecrets({
      authority,
      certificates: new WorkloadCertificates({ authority }),
      credentials,
      systemRootsPem: systemRoots,
      standInRootsPem: () => undefined,
    });
  let secrets = start();
  return {
    authority,
    withSecrets: (config, mesh, proxy) => {
      secrets.generation(mesh);
      return secrets.withSecrets(config, proxy);
    },
    renew: () => {
      secrets = start();
    },
    [Symbol.dispose]: () => rmSync(parent, { recursive: true, force: true }),
  };
}
