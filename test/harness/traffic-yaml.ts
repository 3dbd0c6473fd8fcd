// Builders of the Istio objects that traffic tests apply: hosts of their own in front of one application, with subsets by version.

import { stringify } from "yaml";
import { serviceYaml } from "./mesh.ts";

const apiVersion = "networking.istio.io/v1";

/** YAML of one object of networking.istio.io in namespace default, or "namespace/name". */
export function istioYaml(kind: string, name: string, spec: object): string {
  const [first = "", second] = name.split("/");
  const metadata = second === undefined ? { name: first, namespace: "default" } : { name: second, namespace: first };
  return stringify({ apiVersion, kind, metadata, spec });
}

/** The mesh-wide settings (Istio's MeshConfig), where Istio has them. */
export function meshConfigYaml(config: object): string {
  const metadata = { name: "istio", namespace: "istio-system" };
  return stringify({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { mesh: stringify(config) } });
}

/** YAML documents as one text. */
export function yamlOf(...documents: readonly string[]): string {
  return documents.join("---\n");
}

/** A DestinationRule with subsets v1 and v2 by the label "version". */
export function subsetsYaml(host: string, trafficPolicy?: object): string {
  const subsets = ["v1", "v2"].map((version) => ({ name: version, labels: { version } }));
  return istioYaml("DestinationRule", host, { host, subsets, ...(trafficPolicy === undefined ? {} : { trafficPolicy }) });
}

/** A VirtualService named after its host. */
export function routesYaml(host: string, http: readonly object[], more: object = {}): string {
  return istioYaml("VirtualService", host, { hosts: [host], http, ...more });
}

/** A Service in front of the app "server" with subsets and http routes of its own. */
export function routedServiceYaml(name: string, http: readonly object[]): string {
  return yamlOf(serviceYaml(name, { app: "server" }), subsetsYaml(name), routesYaml(name, http));
}

/** `route:` to one destination. */
export function to(host: string, subset?: string): { readonly route: readonly object[] } {
  return { route: [{ destination: subset === undefined ? { host } : { host, subset } }] };
}

/** `route:` by weights of subsets. */
export function shares(host: string, weights: Readonly<Record<string, number>>): { readonly route: readonly object[] } {
  return { route: Object.entries(weights).map(([subset, weight]) => ({ destination: { host, subset }, weight })) };
}
