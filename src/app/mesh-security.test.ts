// The steps of a root rotation and of mode changes over time: none before everybody has acknowledged the push of the one before.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { resourcesOf, snapshotOf } from "../../test/harness/world.ts";
import { openAuthority } from "../ca/authority.ts";
import { WorkloadCertificates } from "../ca/workload-certificates.ts";
import { MeshError } from "../lib/errors.ts";
import { silentLogger } from "../lib/log.ts";
import { defaultMeshSettings, type Mesh } from "../model/mesh.ts";
import { createModel } from "../model/mesh-of.ts";
import { MeshSecurity } from "./mesh-security.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const yaml = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: web, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: app}]}
status: {podIP: 198.18.0.2}
`;

/** What the engine does with a mesh. */
function push(security: MeshSecurity, mesh: Mesh): void {
  security.pushing(mesh);
  security.pushed(mesh);
}

function started({ logger = silentLogger, handshakeMs = 0 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "lateen-ca-"));
  const authority = openAuthority({ directory: join(directory, "ca"), trustDomain: "cluster.local" });
  const certificates = new WorkloadCertificates({ authority });
  const world: { behind: readonly string[]; changes: number; kept: number; renewed: string[] } = {
    behind: [],
    changes: 0,
    kept: 0,
    renewed: [],
  };
  const security = new MeshSecurity({
    authority,
    certificates,
    phases: new Map(),
    behind: () => world.behind,
    onChange: () => {
      world.changes += 1;
    },
    onRenewed: (ids) => {
      world.renewed.push(...ids);
    },
    onKeep: () => {
      world.kept += 1;
    },
    logger,
    workerMs: 0,
    handshakeMs,
  });
  cleanups.push(() => {
    security.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const model = createModel();
  const meshOf = (text: string) =>
    model.meshOf(snapshotOf(resourcesOf(text)), {
      settings: defaultMeshSettings,
      resolved: new Map(),
      settled: new Map(),
      mtls: security.phases,
    });
  return { authority, certificates, security, world, meshOf };
}

test("a root rotation takes a step per push that everybody acknowledged, and ends with the new root alone", () => {
  const { authority, security, world, meshOf } = started();
  const mesh = meshOf(yaml);
  push(security, mesh);
  const before = { root: authority.trustBundlePem(), serial: security.certificateOf("web.shop")?.serial };
  security.startRootRotation();
  const phases: string[] = [];
  for (let step = 0; step < 4; step += 1) {
    phases.push(authority.status().rotation?.phase ?? "");
    // An acknowledgement before the step was pushed is one of the push before.
    security.advance();
    expect(authority.status().rotation?.phase).toBe(phases.at(-1));
    push(security, mesh);
    world.behind = ["web.shop"];
    security.advance();
    expect(authority.status().rotation?.phase).toBe(phases.at(-1));
    world.behind = [];
    security.advance();
  }
  expect(phases).toEqual(["distributing", "reissuing", "retiring", "steady"]);
  expect(authority.trustBundlePem()).not.toContain(before.root.trim());
  expect(security.certificateOf("web.shop")?.serial).not.toBe(before.serial);
});

test("leaves are of the new root before the old one goes", () => {
  const { authority, security, meshOf } = started();
  const mesh = meshOf(yaml);
  push(security, mesh);
  security.certificateOf("web.shop");
  security.startRootRotation();
  push(security, mesh);
  security.advance();
  expect(authority.status().rotation?.phase).toBe("reissuing");
  expect(security.certificateOf("web.shop")?.root).toBe(authority.status().issuer.root);
});

test("what was pushed of mutual TLS counts once everybody acknowledged it, and is kept", () => {
  const { security, world, meshOf } = started();
  const mesh = meshOf(yaml);
  world.behind = ["web.shop"];
  push(security, mesh);
  security.advance();
  // Kept when it was pushed, for whoever comes after a kill, and when it had arrived.
  expect([security.phases.size, security.inFlight, world.kept]).toEqual([0, mesh.mtls.phases, 1]);
  world.behind = [];
  security.advance();
  expect([security.phases, world.kept, world.changes]).toEqual([mesh.mtls.phases, 2, 0]);
});

test("what was pushed is on its way until everybody acknowledged it", () => {
  const { security, world, meshOf } = started();
  const mesh = meshOf(yaml);
  world.behind = ["web.shop"];
  push(security, mesh);
  security.advance();
  expect(security.inFlight).toBe(mesh.mtls.phases);
  world.behind = [];
  security.advance();
  expect(security.inFlight).toBeUndefined();
});

test("a root is not retired while leaves of it can't be replaced", () => {
  const { authority, certificates, security, meshOf } = started();
  const mesh = meshOf(yaml);
  push(security, mesh);
  security.certificateOf("web.shop");
  const renewDue = certificates.renewDue.bind(certificates);
  const problem = new MeshError("unavailable", "no certificate can be issued");
  certificates.renewDue = () => ({ renewed: [], isMoreDue: false, problem });
  security.startRootRotation();
  for (let round = 0; round < 4; round += 1) {
    push(security, mesh);
    security.advance();
  }
  expect(authority.status().rotation?.phase).toBe("reissuing");
  certificates.renewDue = renewDue;
});

test("a step that the disk refuses is tried again", async () => {
  const { authority, security, meshOf } = started();
  security.startRootRotation();
  const acknowledge = authority.acknowledgeRootRotation.bind(authority);
  authority.acknowledgeRootRotation = () => {
    throw new MeshError("unavailable", "the disk is full");
  };
  push(security, meshOf(yaml));
  security.advance();
  expect(authority.status().rotation?.phase).toBe("distributing");
  authority.acknowledgeRootRotation = acknowledge;
  await expect.poll(() => authority.status().rotation?.phase).not.toBe("distributing");
});

test("who holds up a change of modes is told, and nobody while nothing changes", () => {
  const { security, world, meshOf } = started();
  const strict = `${yaml}---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
`;
  push(security, meshOf(yaml));
  security.advance();
  world.behind = ["web.shop"];
  expect(security.heldUpBy).toEqual([]);
  push(security, meshOf(strict));
  expect(security.heldUpBy).toEqual(["web.shop"]);
});

test("why certificates can't be renewed is logged once, however often it is tried", () => {
  const errors: string[] = [];
  const { certificates, security } = started({ logger: { ...silentLogger, error: (message) => void errors.push(message) } });
  const problem = new MeshError("unavailable", "no certificate can be issued");
  certificates.renewDue = () => ({ renewed: [], isMoreDue: false, problem });
  for (let time = 0; time < 3; time += 1) security.renewCertificates();
  expect(errors).toEqual(["certificates can't be renewed; the old ones stay"]);
});

test("renewing on demand concerns the proxies of the renewed identities, and no other push", () => {
  const { security, world, meshOf } = started();
  push(security, meshOf(yaml));
  const before = security.certificateOf("web.shop");
  expect(security.renewCertificates()).toBe(1);
  expect([world.renewed, world.changes]).toEqual([["web.shop"], 0]);
  expect(security.certificateOf("web.shop")).not.toBe(before);
});

test("handshakes have time to end before the next step, and then it is taken without anybody's doing", async () => {
  const { authority, security, meshOf } = started({ handshakeMs: 100 });
  security.startRootRotation();
  push(security, meshOf(yaml));
  security.advance();
  expect(authority.status().rotation?.phase).toBe("distributing");
  await expect.poll(() => authority.status().rotation?.phase).toBe("reissuing");
});
