// What the model makes of security policies over whole worlds: who accepts what, what clients believe, whose certificate a service shows.

import { expect, test } from "vitest";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import type { MtlsPhases } from "../../src/model/security.ts";
import { resourcesOf, snapshotOf, withEndpoints } from "../harness/world.ts";

const pod = (name: string, ip: string, more = "") => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, uid: ${name}, labels: {app: ${name.replace(/-.*/, "")}${more === "" ? "" : `, ${more}`}}}
spec: {serviceAccountName: ${name}, containers: [{name: app}]}
status: {podIP: ${ip}, conditions: [{type: Ready, status: "True"}]}
---`;
const service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 198.19.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---`;
const peers = (mode: string, spec = "") => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: ${mode}}${spec}}
---`;
const policy = (action: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: viewer, namespace: shop}
spec: {action: ${action}, selector: {matchLabels: {app: web}}, rules: [{}]}
---`;

const pods = pod("web-1", "198.18.0.2") + pod("web-2", "198.18.0.3", "sidecar.istio.io/inject: 'false'") + pod("client", "198.18.0.4");

function world() {
  const model = createModel();
  let snapshot = snapshotOf([]);
  return (yaml: string, mtls: MtlsPhases = new Map()) => {
    snapshot = snapshotOf(withEndpoints(resourcesOf(yaml)), snapshot.revision + 1, snapshot);
    return model.meshOf(snapshot, { settings: defaultMeshSettings, resolved: new Map(), settled: new Map(), mtls });
  };
}

test("clients believe an endpoint's proxy, and know which pods have none", () => {
  const mesh = world()(pods + service + peers("DISABLE"));
  const believed = mesh.endpoints.get("shop/web.shop.svc.cluster.local")?.map(({ address, mtls }) => [address, mtls?.mode]);
  expect(believed).toEqual([
    ["198.18.0.2", "DISABLE"],
    ["198.18.0.3", undefined],
  ]);
});

test("a service's servers show the service accounts of all its pods, those that aren't ready too", () => {
  const pending = pod("web-3", "198.18.0.5").replace('status: "True"', 'status: "False"');
  const mesh = world()(pods + pending + service);
  expect(mesh.identities.get("shop/web.shop.svc.cluster.local")).toEqual([
    "spiffe://cluster.local/ns/shop/sa/web-1",
    "spiffe://cluster.local/ns/shop/sa/web-2",
    "spiffe://cluster.local/ns/shop/sa/web-3",
  ]);
});

test("a change of mode is pushed in steps: the next one follows what was acknowledged", () => {
  const meshOf = world();
  const start = meshOf(pods + service);
  expect(start.mtls.isMoving).toBe(false);
  const widened = meshOf(
    pods + service + peers("DISABLE"),
    new Map([
      ["web-1.shop", strict],
      ["client.shop", strict],
    ]),
  );
  expect([widened.mtls.isMoving, widened.security.get("web-1.shop")?.mtls.mode]).toEqual([true, "PERMISSIVE"]);
  const told = meshOf(pods + service + peers("DISABLE"), widened.mtls.phases);
  expect(told.endpoints.get("shop/web.shop.svc.cluster.local")?.[0]?.mtls?.mode).toBe("DISABLE");
  expect([told.mtls.isMoving, told.security.get("web-1.shop")?.mtls.mode]).toEqual([true, "PERMISSIVE"]);
  const narrowed = meshOf(pods + service + peers("DISABLE"), told.mtls.phases);
  expect([narrowed.mtls.isMoving, narrowed.security.get("web-1.shop")?.mtls.mode]).toEqual([false, "DISABLE"]);
  // Nothing is left to do, so the next mesh is the same one.
  const last = meshOf(pods + service + peers("DISABLE"), narrowed.mtls.phases);
  expect([last.mtls.phases, last.endpoints]).toEqual([narrowed.mtls.phases, narrowed.endpoints]);
  expect(last.mtls.phases).toBe(narrowed.mtls.phases);
  expect(last.endpoints).toBe(narrowed.endpoints);
});

const strict = { server: { mode: "STRICT", ports: new Map() }, client: { mode: "STRICT", ports: new Map() } } as const;

test("an AuthorizationPolicy of one workload changes that workload's security alone, and no endpoint", () => {
  const meshOf = world();
  const before = meshOf(pods + service);
  const after = meshOf(pods + service + policy("DENY"), before.mtls.phases);
  expect(after.security.get("web-1.shop")?.policies.deny.map(({ metadata }) => metadata.name)).toEqual(["viewer"]);
  expect(after.security.get("client.shop")).toBe(before.security.get("client.shop"));
  expect(after.endpoints).toBe(before.endpoints);
  expect(after.identities).toBe(before.identities);
});
