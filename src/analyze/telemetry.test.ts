import { expect, test } from "vitest";
import { parseManifests } from "../api/parse.ts";
import { snapshotOf } from "../api/snapshot-of.ts";
import { analyze } from "./analyze.ts";

const deployment = (name: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: main, image: "${name}"}]}
---`;

const telemetry = (name: string, spec: string, created = "2030-01-01T00:00:00Z") => `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: ${name}, namespace: shop, creationTimestamp: "${created}"}
spec: ${spec}
---`;

const meshConfig = (text: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: '${text}'}
---`;

const providers =
  "extensionProviders: [{name: otel, opentelemetry: {service: a.b, port: 4317}}, {name: file, envoyFileAccessLog: {path: /dev/stderr}}]";

const told = (text: string) => {
  const { resources, diagnostics } = parseManifests(text, { file: "test.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return analyze(snapshotOf(resources.map(({ value }) => value))).map(({ code, resource, path }) => `${code} ${resource} ${path}`);
};

const web = "selector: {matchLabels: {app: web}}";

test.each([
  [
    "what is there",
    meshConfig(providers) +
      telemetry(
        "a",
        "{tracing: [{providers: [{name: OTEL}]}], accessLogging: [{providers: [{name: file}, {name: envoy}]}], metrics: [{providers: [{name: prometheus}]}]}",
      ),
    [],
  ],
  [
    "nothing of that name",
    telemetry("a", "{accessLogging: [{providers: [{name: evnoy}]}]}"),
    ["LTN1202 Telemetry shop/a spec.accessLogging[0].providers[0].name"],
  ],
  [
    "another kind",
    meshConfig(providers) + telemetry("a", "{tracing: [{providers: [{name: envoy}]}], accessLogging: [{providers: [{name: otel}]}]}"),
    ["LTN1203 Telemetry shop/a spec.accessLogging[0].providers[0].name", "LTN1203 Telemetry shop/a spec.tracing[0].providers[0].name"],
  ],
  [
    "two for spans",
    meshConfig(providers) + telemetry("a", "{tracing: [{providers: [{name: otel}, {name: otel}]}]}"),
    ["LTN1206 Telemetry shop/a spec.tracing[0].providers"],
  ],
  [
    "unknown default",
    meshConfig("defaultProviders: {tracing: [jaeger]}"),
    ["LTN1202 ConfigMap istio-system/istio data.mesh.defaultProviders.tracing[0]"],
  ],
  ["two of a namespace", telemetry("a", "{}", "2030-01-02T00:00:00Z") + telemetry("b", "{}"), ["LTN1204 Telemetry shop/a spec"]],
  ["two of a workload", telemetry("a", `{${web}}`) + telemetry("b", `{${web}}`), ["LTN1204 Telemetry shop/b spec.selector"]],
  ["one of each level", telemetry("a", `{${web}}`) + telemetry("b", "{}"), []],
  ["no such workload", telemetry("a", "{selector: {matchLabels: {app: wbe}}}"), ["LTN1205 Telemetry shop/a spec.selector"]],
])("%s", (_what, text, expected) => expect(told(deployment("web") + text)).toEqual(expected));
