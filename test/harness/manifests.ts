// Small manifests that several end-to-end tests share.

/** Mesh-wide settings without the mesh's own retries, so that a single lost request is seen. */
export const withoutRetries = `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "defaultHttpRetryPolicy: {attempts: 0}"}
---
`;

/** The mesh's own retries again, after `withoutRetries`. */
export const defaultRetries = withoutRetries.replace('"defaultHttpRetryPolicy: {attempts: 0}"', '"{}"');

/** A DestinationRule with a subset per version. */
export function subsetsYaml(host: string, versions: readonly string[]): string {
  const subsets = versions.map((version) => `{name: ${version}, labels: {version: ${version}}}`).join(", ");
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}, namespace: default}
spec: {host: ${host}, subsets: [${subsets}]}
`;
}

/** A VirtualService with one weighted route. */
export function splitYaml(host: string, weights: Readonly<Record<string, number>>): string {
  const route = Object.entries(weights).map(([subset, weight]) => `{destination: {host: ${host}, subset: ${subset}}, weight: ${weight}}`);
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}, namespace: default}
spec:
  hosts: [${host}]
  http: [{route: [${route.join(", ")}]}]
`;
}
