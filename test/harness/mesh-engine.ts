// The control plane's engine in a test's process: its own authority, nothing kept for a restart.

import { join } from "node:path";
import { MeshEngine } from "../../src/app/mesh-engine.ts";
import { openAuthority } from "../../src/ca/authority.ts";
import { WorkloadCertificates } from "../../src/ca/workload-certificates.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Store } from "../../src/store/store.ts";
import type { AdsServer } from "../../src/xds/ads-server.ts";

export interface TestEngineOptions {
  readonly store: Store;
  readonly ads: AdsServer;
  /** For sockets and keys. */
  readonly folder: string;
}

/** Starts it; close it before the server and the store. */
export function startMeshEngine({ store, ads, folder }: TestEngineOptions) {
  const authority = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" });
  const engine = new MeshEngine({
    store,
    ads,
    socketOf: (uid) => join(folder, `${uid}.sock`),
    logger: silentLogger,
    egress: false,
    kept: { settled: new Map(), resolved: new Map(), jwks: new Map(), mtls: new Map() },
    authority,
    certificates: new WorkloadCertificates({ authority }),
    credentials: { kept: new Map(), onKeep: () => {} },
    onKeep: () => {},
  });
  return { engine, authority };
}
