import { describe, expect, test } from "vitest";
import { parseManifests, parseResource } from "./parse.ts";

function parse(text: string) {
  return parseManifests(text, { file: "app.yaml", defaultNamespace: "shop" });
}

const virtualService = (body: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
${body}`;

describe("parseManifests", () => {
  test("reads YAML, JSON and Lists, in order", () => {
    const { resources, diagnostics } = parse(`# first
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {mode: "0644"}
---
{"apiVersion": "v1", "kind": "Namespace",
	"metadata": {"name": "shop"}}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: b, namespace: other}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
...
---
# nothing
---
`);
    expect(diagnostics).toEqual([]);
    expect(resources.map(({ kind, value }) => [kind, value.metadata.namespace, value.metadata.name])).toEqual([
      ["ConfigMap", "shop", "a"],
      ["Namespace", undefined, "shop"],
      ["ServiceAccount", "other", "b"],
      ["ConfigMap", "shop", "c"],
    ]);
    expect(resources.map(({ position }) => `${position?.line}:${position?.column}`)).toEqual(["2:1", "7:1", "13:5", "14:5"]);
  });

  test("keeps raw as written, without nulls, with the namespace; freezes the value", () => {
    const { resources } = parse(
      "{apiVersion: v1, kind: Service, metadata: {name: a, labels: null}, spec: {ports: [{port: 80, targetPort: null}]}}",
    );
    expect(resources[0]?.raw).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", namespace: "shop" },
      spec: { ports: [{ port: 80 }] },
    });
    const value = resources[0]?.value;
    expect(value?.kind === "Service" && value.spec.ports[0]?.targetPort).toBe(80);
    expect(value?.kind === "Service" && Object.isFrozen(value.spec.ports[0])).toBe(true);
  });

  test("reads words as kubectl does", () => {
    const { resources } = parse(`
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: &labels {x: "1"}, labels: {<<: *labels, on: "2"}}
spec:
  containers: [{name: a, image: a}]
  volumes: [{name: v, configMap: {name: c, defaultMode: 0644, optional: yes}}]
`);
    const value = resources[0]?.value;
    expect(value?.kind === "Pod" && value.spec.volumes[0]?.configMap).toMatchObject({ defaultMode: 0o644, optional: true });
    expect(value?.metadata.labels).toEqual({ x: "1", on: "2" });
  });

  test("of one object twice, the first counts", () => {
    const text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: first}}";
    const { resources, diagnostics } = parse(`${text}\n---\n${text.replace("first", "second")}`);
    expect(resources).toHaveLength(1);
    expect(resources[0]?.raw["data"]).toEqual({ x: "first" });
    expect(diagnostics.map(({ code, position }) => [code, position?.line])).toEqual([["LTN0011", 3]]);
  });

  test("locates fields for later findings", () => {
    const { resources } = parse(
      virtualService('    - match: [{headers: {"x-user.id": {exact: a}}}]\n      route:\n        - destination: {host: web}'),
    );
    const locate = resources[0]?.locate;
    expect(locate?.('spec.http[0].match[0].headers["x-user.id"].exact')).toEqual({ file: "app.yaml", line: 7, column: 40 });
    expect(locate?.("spec.http[0].route[0].destination.subset")).toEqual({ file: "app.yaml", line: 9, column: 11 });
    expect(locate?.("")).toEqual({ file: "app.yaml", line: 1, column: 1 });
  });
});

/** Title, text, and what the first diagnostic must be: code, path, position, message, fix. */
const messages: readonly (readonly [title: string, text: string, expected: readonly [string, string, string, string, string]])[] = [
  [
    "a misspelt field",
    virtualService("    - retires: {attempts: 1}\n      route: [{destination: {host: web}}]"),
    [
      "LTN0101",
      "spec.http[0].retires",
      "7:7",
      "unknown field `spec.http[0].retires`; did you mean `retries`?",
      "Write `retries` instead of `retires`.",
    ],
  ],
  [
    "an unknown field like no other",
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, spec: {}}",
    [
      "LTN0101",
      "spec",
      "1:56",
      "unknown field `spec`",
      "Remove it; the object takes apiVersion, binaryData, data, immutable, kind, metadata.",
    ],
  ],
  [
    "a missing field",
    virtualService("    - route: [{destination: {subset: v1}}]"),
    [
      "LTN0102",
      "spec.http[0].route[0].destination.host",
      "7:16",
      "`spec.http[0].route[0].destination.host` is required",
      "Add `spec.http[0].route[0].destination.host` (a string).",
    ],
  ],
  [
    "a wrong type",
    virtualService('    - route: [{destination: {host: web}, weight: "9"}]'),
    [
      "LTN0103",
      "spec.http[0].route[0].weight",
      "7:42",
      '`spec.http[0].route[0].weight` must be a number, not the string "9"',
      "Write a number.",
    ],
  ],
  [
    "an unquoted label",
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {version: 2}}}",
    ["LTN0103", "metadata.labels.version", "1:64", "`metadata.labels.version` must be a string, not 2", 'Put it in quotes: "2".'],
  ],
  [
    "a duration without unit",
    virtualService("    - timeout: 5\n      route: [{destination: {host: web}}]"),
    [
      "LTN0107",
      "spec.http[0].timeout",
      "7:7",
      "`spec.http[0].timeout` is 5, a number without a unit",
      'Write a duration, for example "5s".',
    ],
  ],
  [
    "two kinds of string match",
    virtualService("    - match: [{uri: {exact: /a, prefix: /b}}]\n      route: [{destination: {host: web}}]"),
    [
      "LTN0108",
      "spec.http[0].match[0].uri",
      "7:16",
      "`spec.http[0].match[0].uri`: more than one of exact, prefix and regex is given",
      "Give exactly one of exact, prefix and regex.",
    ],
  ],
  [
    "an unknown word",
    "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: ClusterIp, ports: [{port: 1}]}}",
    [
      "LTN0104",
      "spec.type",
      "1:61",
      '`spec.type` can\'t be the string "ClusterIp"; did you mean ClusterIP?',
      "Use one of ClusterIP, NodePort, LoadBalancer, ExternalName.",
    ],
  ],
  [
    "a port too large",
    "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 70000}]}}",
    ["LTN0105", "spec.ports[0].port", "1:70", "`spec.ports[0].port` is 70000, which is out of range", "Use a value of at most 65535."],
  ],
  ["no kind", "{apiVersion: v1}", ["LTN0006", "kind", "1:1", "the document has no `kind`", "Begin it with apiVersion, kind and metadata."]],
  ["no object", "just text", ["LTN0006", "", "1:1", "the document is not a mapping", "Begin it with apiVersion, kind and metadata."]],
  [
    "a misspelt kind",
    "{apiVersion: v1, kind: Servce, metadata: {name: a}}",
    ["LTN0007", "kind", "1:18", "there is no kind Servce in v1; did you mean Service?", "Check apiVersion and kind for misspellings."],
  ],
  [
    "a kind of a later issue",
    "{apiVersion: networking.istio.io/v1, kind: WorkloadGroup, metadata: {name: a}}",
    [
      "LTN0008",
      "kind",
      "1:38",
      "kind WorkloadGroup (networking.istio.io/v1) isn't supported yet",
      "Remove it, or keep it in a file of its own for clusters.",
    ],
  ],
  [
    "an old version",
    "{apiVersion: apps/v1beta2, kind: Deployment, metadata: {name: a}}",
    ["LTN0009", "apiVersion", "1:2", 'Deployment has no version "v1beta2"', "Write apiVersion: apps/v1."],
  ],
  [
    "the wrong group",
    "{apiVersion: networking.k8s.io/v1, kind: VirtualService, metadata: {name: a}}",
    [
      "LTN0007",
      "apiVersion",
      "1:2",
      'there is no kind VirtualService in the API group "networking.k8s.io"',
      "Write apiVersion: networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3.",
    ],
  ],
  [
    "no metadata",
    "{apiVersion: v1, kind: ConfigMap}",
    ["LTN0102", "metadata", "1:1", "`metadata` is required", "Add metadata with a name."],
  ],
  [
    "a field without effect yet",
    virtualService("    - fault: {abort: {http2Error: x, percentage: {value: 1}}}\n      route: [{destination: {host: web}}]"),
    [
      "LTN0109",
      "spec.http[0].fault.abort.http2Error",
      "7:23",
      "`spec.http[0].fault.abort.http2Error` is accepted but has no effect here yet",
      "Remove it, or don't rely on it here.",
    ],
  ],
  [
    "a Secret's value is not repeated",
    "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {password: 12345}}",
    ["LTN0103", "stringData.password", "1:66", "`stringData.password` must be a string", "Write a string; put numbers in quotes."],
  ],
];

describe("messages", () => {
  test.each(messages)("%s", (_title, text, [code, path, position, message, fix]) => {
    const [first] = parse(text).diagnostics;
    expect(first).toMatchObject({ code, path, message, fix });
    expect(`${first?.position?.line}:${first?.position?.column}`).toBe(position);
  });

  test("objects by the API get the same findings without position", () => {
    const { resource, diagnostics } = parseResource({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "A" }, dta: {} });
    expect(resource).toBeUndefined();
    expect(diagnostics.map(({ code, path, position }) => [code, path, position])).toEqual([["LTN0101", "dta", undefined]]);
  });

  test("every listed apiVersion is accepted", () => {
    for (const version of ["v1", "v1beta1", "v1alpha3"]) {
      const { resources } = parse(
        virtualService("    - route: [{destination: {host: web}}]").replace("istio.io/v1", `istio.io/${version}`),
      );
      expect(resources).toHaveLength(1);
    }
  });
});
