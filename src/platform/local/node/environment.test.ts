import { describe, expect, test } from "vitest";
import { parseManifests } from "../../../api/parse.ts";
import { argvOf, environmentOf, expandVariables, type PodSources, withFlagServer, withSpanCollector } from "./environment.ts";

const values = parseManifests(
  `
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {COLOR: blue, SIZE: "3"}}
---
{apiVersion: v1, kind: Secret, metadata: {name: keys}, data: {TOKEN: YWJj}}
`,
  { file: "sources.yaml" },
).resources.map(({ value }) => value);

const sources: PodSources = {
  configMap: (name) => values.filter((value) => value.kind === "ConfigMap").find(({ metadata }) => metadata.name === name),
  secret: (name) => values.filter((value) => value.kind === "Secret").find(({ metadata }) => metadata.name === name),
};
const image = { command: ["node", "server.js"], workingDir: "/", env: { COLOR: "grey", LANG: "C" } };

function inputOf(container: string) {
  const text = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: u-1, labels: {app.kubernetes.io/name: web}, annotations: {note: hello}}
spec: {serviceAccountName: web, containers: [{name: c, image: i, ${container}}]}`;
  const { resources, diagnostics } = parseManifests(text, { file: "pod.yaml" });
  const pod = resources[0]?.value;
  const spec = pod?.kind === "Pod" ? pod.spec.containers[0] : undefined;
  if (pod?.kind !== "Pod" || spec === undefined) throw new Error(JSON.stringify(diagnostics));
  return { pod, container: spec, image, sources, podIp: "198.18.0.9" };
}

const envOf = (container: string) => environmentOf(inputOf(container));

describe("a container's environment", () => {
  test("is the image's, then envFrom, then env; the later wins", () => {
    expect(envOf("envFrom: [{configMapRef: {name: settings}}], env: [{name: SIZE, value: '5'}]")).toEqual({
      COLOR: "blue",
      LANG: "C",
      SIZE: "5",
    });
  });

  test("takes whole Secrets with a prefix, and single keys", () => {
    const env = envOf(
      "envFrom: [{prefix: KEY_, secretRef: {name: keys}}], env: [{name: T, valueFrom: {secretKeyRef: {name: keys, key: TOKEN}}}, {name: C, valueFrom: {configMapKeyRef: {name: settings, key: COLOR}}}]",
    );
    expect(env).toMatchObject({ KEY_TOKEN: "abc", T: "abc", C: "blue" });
  });

  test("knows the pod by fieldRef", () => {
    const fields = ["metadata.name", "metadata.namespace", "metadata.labels['app.kubernetes.io/name']", "metadata.annotations['note']"];
    const more = ["status.podIP", "spec.serviceAccountName", "metadata.uid"];
    const env = [...fields, ...more].map((path, index) => `{name: F${index}, valueFrom: {fieldRef: {fieldPath: "${path}"}}}`);
    expect(envOf(`env: [${env.join(", ")}]`)).toMatchObject({
      F0: "web-1",
      F1: "shop",
      F2: "web",
      F3: "hello",
      F4: "198.18.0.9",
      F5: "web",
      F6: "u-1",
    });
  });

  test("refers to what stands before it, not after", () => {
    expect(envOf("env: [{name: A, value: $(B)}, {name: B, value: b}, {name: C, value: $(B)-$(COLOR)}]")).toMatchObject({
      A: "$(B)",
      C: "b-grey",
    });
  });

  test.each([
    ["envFrom: [{configMapRef: {name: gone}}]", 'ConfigMap "gone" does not exist'],
    ["envFrom: [{secretRef: {name: gone}}]", 'Secret "gone" does not exist'],
    ["env: [{name: A, valueFrom: {secretKeyRef: {name: gone, key: a}}}]", 'Secret "gone" does not exist'],
    ["env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: toString}}}]", 'ConfigMap settings has no key "toString"'],
  ])("needs what it names unless that is optional: %s", (container, message) => {
    expect(() => envOf(container)).toThrow(message);
    const optional = container.replace(/\{name: (gone|settings)/, "{optional: true, name: $1");
    expect(envOf(optional)).toEqual({ COLOR: "grey", LANG: "C" });
  });
});

test("$(NAME) is replaced, $$(NAME) is kept as $(NAME), unknown names stay", () => {
  const variables = new Map([["A", "$(B)"]]);
  expect(expandVariables("$(A) $$(A) $(X) $A $$", variables)).toBe("$(B) $(A) $(X) $A $");
});

test("command replaces the image's process, args follow it", () => {
  const argv = (container: string) => argvOf(inputOf(container).container, image, { PORT: "8080" });
  expect(argv("args: [--port, $(PORT)]")).toEqual(["node", "server.js", "--port", "8080"]);
  expect(argv("command: [sh], args: [-c, ls]")).toEqual(["sh", "-c", "ls"]);
});

test("where flags are answered and spans are taken, unless the container says so itself", () => {
  expect(withFlagServer({ A: "1" })).toEqual({ A: "1", OFREP_ENDPOINT: "http://198.18.0.1:8016" });
  expect(withFlagServer({ OFREP_ENDPOINT: "http://flags" })).toEqual({ OFREP_ENDPOINT: "http://flags" });
  expect(withSpanCollector({})).toEqual({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://198.18.0.1:4318" });
  expect(withSpanCollector({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "x" })).toEqual({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "x" });
});
