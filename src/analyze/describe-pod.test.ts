import { expect, test } from "vitest";
import { resourcesOf, snapshotOf, worldOf } from "../../test/harness/world.ts";
import { describePod } from "./describe-pod.ts";

const yaml = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: main, image: i, ports: [{containerPort: 8080}]}]}
status:
  podIP: 10.0.0.1
  phase: Running
  conditions: [{type: Ready, status: "False", message: "containers not ready: main"}]
  containerStatuses: [{name: main, image: i, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec: {hosts: [front.example], gateways: [gw], http: [{route: [{destination: {host: web}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all, namespace: shop}
spec: {host: "*.shop.svc.cluster.local"}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: other, namespace: shop}
spec: {host: db}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: PERMISSIVE}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: try, namespace: shop, annotations: {istio.io/dry-run: "true"}}
spec: {action: DENY, rules: [{}]}
`;

test("who a pod is, what it accepts and why, and which objects act on it", () => {
  const { mesh } = worldOf(yaml);
  const world = { mesh, snapshot: snapshotOf(resourcesOf(yaml)) };
  expect(describePod("shop", "nobody", world)).toBeUndefined();
  expect(describePod("shop", "web-1", world)).toMatchObject({
    name: "Pod shop/web-1",
    ready: false,
    reason: "containers not ready: main",
    containers: [{ name: "main", state: "waiting: CrashLoopBackOff", restarts: 2 }],
    proxy: "sidecar",
    proxyId: "web-1.shop",
    accepts: [
      { port: 8080, protocol: "http", mode: "PERMISSIVE", source: "PeerAuthentication shop/web" },
      { mode: "STRICT", source: "PeerAuthentication shop/web" },
    ],
    authorizationPolicies: [{ name: "AuthorizationPolicy shop/try", action: "DENY", rules: 1, dryRun: true }],
    services: [{ name: "Service shop/web", ports: ["80 http → 8080 (http)"] }],
    virtualServices: ["VirtualService shop/front"],
    destinationRules: ["DestinationRule shop/all"],
  });
});
