// A real Zipkin server in a pod of the mesh, behind strict mutual TLS, gets every span of a trace, with parents, services and failures as Zipkin has them.

import { dirname } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, meshConfigYaml, yamlOf } from "../harness/traffic-yaml.ts";
import { zipkinJar } from "../harness/zipkin.ts";

let mesh: TestMesh;

const zipkinYaml = (): string => {
  const labels = { app: "zipkin", version: "v3" };
  const container = {
    name: "zipkin",
    image: "openzipkin/zipkin",
    ports: [{ containerPort: 9411 }],
    readinessProbe: { httpGet: { path: "/health", port: 9411 }, periodSeconds: 1 },
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "zipkin" },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
  };
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "zipkin" },
    spec: { selector: { app: "zipkin" }, ports: [{ name: "http", port: 9411, targetPort: 9411 }] },
  };
  return yamlOf(stringify(deployment), stringify(service));
};

beforeAll(async () => {
  const jar = await zipkinJar();
  const meshConfig = {
    defaultProviders: { tracing: ["zipkin"] },
    defaultConfig: { tracing: { sampling: 0 } },
    extensionProviders: [{ name: "zipkin", zipkin: { service: "zipkin.default.svc.cluster.local", port: 9411 } }],
  };
  mesh = await TestMesh.start({
    manifests: yamlOf(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n",
      meshConfigYaml(meshConfig),
      stringify({
        apiVersion: "security.istio.io/v1",
        kind: "PeerAuthentication",
        metadata: { name: "default", namespace: "istio-system" },
        spec: { mtls: { mode: "STRICT" } },
      }),
      zipkinYaml(),
      appYaml("a", ["v1"]),
      appYaml("b", ["v2"]),
      istioYaml("Gateway", "edge", {
        selector: { istio: "ingressgateway" },
        servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
      }),
      istioYaml("VirtualService", "edge", { hosts: ["*"], gateways: ["edge"], http: [{ route: [{ destination: { host: "a" } }] }] }),
    ),
    lateenYaml: {
      gateway: { ports: { 80: 0 } },
      images: { "openzipkin/zipkin": { command: ["java", "-Xmx256m", "-jar", jar], workingDir: dirname(jar) } },
    },
  });
});
afterAll(async () => {
  await mesh?.close();
});

interface ZipkinAnswer {
  readonly id: string;
  readonly parentId?: string;
  readonly kind?: string;
  readonly name: string;
  readonly localEndpoint?: { readonly serviceName: string };
  readonly tags?: Readonly<Record<string, string>>;
}

async function ask(path: string): Promise<readonly ZipkinAnswer[]> {
  const { status, body } = await mesh.http("a", `http://zipkin:9411${path}`);
  const spans: readonly ZipkinAnswer[] = status === 200 ? JSON.parse(body) : [];
  return spans;
}

it("has every span with its parent, service and failure", async () => {
  const traceId = "463ac35c9f6413ad48485a3953bb6124";
  const path = `/?forward=${encodeURIComponent("http://b/?status=500&span=own")}&span=ask`;
  await mesh.gateway(path, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  await eventually(async () => (await ask(`/api/v2/trace/${traceId}`)).length === 7, 60_000);
  const spans = await ask(`/api/v2/trace/${traceId}`);
  const byId = new Map(spans.map((span) => [span.id, span]));
  const nameOf = (span: ZipkinAnswer | undefined): string => `${span?.kind ?? "-"} ${span?.localEndpoint?.serviceName ?? ""}`;
  const pairs = spans.map((span) => `${nameOf(span)} < ${span.parentId === undefined ? "" : nameOf(byId.get(span.parentId))}`);
  expect(pairs.sort()).toEqual(
    [
      "SERVER istio-ingressgateway < - ",
      "CLIENT istio-ingressgateway < SERVER istio-ingressgateway",
      "SERVER a < CLIENT istio-ingressgateway",
      "- a < SERVER a",
      "CLIENT a < - a",
      "SERVER b < CLIENT a",
      "- b < SERVER b",
    ].sort(),
  );
  const failed = spans.filter(({ tags }) => tags?.["error"] !== undefined).map(nameOf);
  expect(failed.sort()).toEqual(["CLIENT a", "SERVER b"]);
  expect(spans.find((span) => nameOf(span) === "SERVER b")?.tags).toMatchObject({ "http.status_code": "500", "service.version": "v2" });
});

it("spans wait while it is away", async () => {
  const traceId = "563ac35c9f6413ad48485a3953bb6124";
  const scale = (replicas: number) =>
    mesh.client.patch({ kind: "Deployment", namespace: "default", name: "zipkin" }, { spec: { replicas } });
  await scale(0);
  await eventually(async () => (await mesh.pods("zipkin")).length === 0, 60_000);
  await mesh.gateway("/", { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  const forward = async () => (await mesh.client.traces.search({})).forwards[0];
  await expect.poll(async () => (await forward())?.problem, { timeout: 60_000 }).toContain("no ready server");
  await scale(1);
  await eventually(async () => (await ask(`/api/v2/trace/${traceId}`)).length === 3, 120_000);
  await expect.poll(forward, { timeout: 60_000 }).toMatchObject({ provider: "zipkin", droppedSpans: 0 });
});
