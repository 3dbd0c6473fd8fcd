// The ingress gateway that is there from the start: a Deployment and a Service in istio-system, as Istio's gateway chart makes them.

import { acceptedOf, type RawResource, type Store } from "../../store/store.ts";

const name = "istio-ingressgateway";
const namespace = "istio-system";
const labels = { app: name, istio: "ingressgateway" };
/** The image the node runs as a bare Envoy. */
const image = "lateen/proxy";

/** Service ports of Istio's ingress gateway; the gateway listens on the same numbers, as its pod may bind any. */
const ports = [
  { name: "status-port", port: 15021, targetPort: 15021 },
  { name: "http2", port: 80, targetPort: 80 },
  { name: "https", port: 443, targetPort: 443 },
  { name: "tcp", port: 31400, targetPort: 31400 },
  { name: "tls", port: 15443, targetPort: 15443 },
];

/** Creates what is absent; what the user has changed or made stays. */
export function createIngressGateway(store: Store): void {
  for (const raw of [serviceAccount(), deployment(), service()]) createIfAbsent(store, raw);
}

function createIfAbsent(store: Store, raw: RawResource): void {
  const kinds = { Deployment: "Deployment", Service: "Service", ServiceAccount: "ServiceAccount" } as const;
  const kind = Object.values(kinds).find((known) => known === raw.kind);
  if (kind !== undefined && store.get(kind, namespace, raw.metadata.name ?? "") === undefined) acceptedOf(store.create(raw));
}

function serviceAccount(): RawResource {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace, labels } };
}

function deployment(): RawResource {
  const container = { name: "istio-proxy", image, ports: ports.map(({ port }) => ({ containerPort: port, protocol: "TCP" })) };
  const template = {
    metadata: { labels: { ...labels, "sidecar.istio.io/inject": "false" } },
    spec: { serviceAccountName: name, containers: [container] },
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  };
}

function service(): RawResource {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels },
    spec: { type: "LoadBalancer", selector: labels, ports },
  };
}
