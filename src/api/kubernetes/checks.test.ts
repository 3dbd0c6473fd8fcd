import { describe, expect, test } from "vitest";
import { parseManifests } from "../parse.ts";

/** "LTN0605 spec.containers[0].readinessProbe" of every finding. */
function findings(text: string): readonly string[] {
  return parseManifests(text, { file: "x.yaml" }).diagnostics.map(({ code, path }) => `${code} ${path}`);
}

const pod = (spec: string) => `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {${spec}}}`;
const container = (fields: string) => pod(`containers: [{name: a, image: a, ${fields}}]`);
const deployment = (fields: string, labels = "app: a") =>
  `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {metadata: {labels: {${labels}}}, spec: {containers: [{name: a, image: a}]}}, ${fields}}}`;
const selector = "selector: {matchLabels: {app: a}}";
const service = (spec: string, name = "a") => `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {${spec}}}`;
const first = "spec.containers[0]";

const meshConfig = (text: string) =>
  `{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: ${JSON.stringify(text)}}}`;
const cases: readonly (readonly [text: string, ...expected: string[]])[] = [
  [container("")],
  [
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: A_b, labels: {a: '-', 'x/y/z': b}}}",
    "LTN0106 metadata.name",
    "LTN0106 metadata.labels.a",
    'LTN0106 metadata.labels["x/y/z"]',
  ],
  ["{apiVersion: v1, kind: Namespace, metadata: {name: a.b}}", "LTN0106 metadata.name"],
  [service("ports: [{port: 1}]", "1a"), "LTN0106 metadata.name"],
  [pod("containers: []"), "LTN0601 spec.containers"],
  [pod("containers: [{name: A, image: a}, {name: b}]"), "LTN0106 spec.containers[0].name", "LTN0102 spec.containers[1].image"],
  [pod("containers: [{name: a, image: a}], initContainers: [{name: a, image: a}]"), "LTN0602 spec.initContainers[0].name"],
  [
    pod("containers: [{name: a, image: a}], volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}, secret: {secretName: s}}]"),
    "LTN0602 spec.volumes[1].name",
    "LTN0108 spec.volumes[1]",
  ],
  [container("volumeMounts: [{name: v, mountPath: /v}]"), `LTN0603 ${first}.volumeMounts[0].name`],
  [
    container("env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: x}}}, {name: B, valueFrom: {}}]"),
    `LTN0108 ${first}.env[0]`,
    `LTN0108 ${first}.env[1].valueFrom`,
  ],
  [
    pod(
      "containers: [{name: a, image: a}], volumes: [{name: v, hostPath: {path: srv/x}}, {name: w, hostPath: {path: /a/../b}}, {name: x, hostPath: {path: /a, type: Dir}}, {name: y, hostPath: {path: /a, type: File}}]",
    ),
    "LTN0612 spec.volumes[0].hostPath.path",
    "LTN0612 spec.volumes[1].hostPath.path",
    "LTN0104 spec.volumes[2].hostPath.type",
  ],
  [container("envFrom: [{prefix: a}]"), `LTN0108 ${first}.envFrom[0]`],
  [
    container("ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}, {containerPort: 3, name: seventeen-letters}]"),
    `LTN0602 ${first}.ports[1].name`,
    `LTN0106 ${first}.ports[2].name`,
  ],
  [container("readinessProbe: {periodSeconds: 1}"), `LTN0605 ${first}.readinessProbe`],
  [
    container("livenessProbe: {httpGet: {port: 1}, tcpSocket: {port: 1}, successThreshold: 2}"),
    `LTN0605 ${first}.livenessProbe`,
    `LTN0605 ${first}.livenessProbe.successThreshold`,
  ],
  [
    container("startupProbe: {tcpSocket: {port: http}, periodSeconds: 0}"),
    `LTN0605 ${first}.startupProbe.tcpSocket.port`,
    `LTN0105 ${first}.startupProbe.periodSeconds`,
  ],
  [container("ports: [{containerPort: 1, name: http}], readinessProbe: {httpGet: {port: http}, successThreshold: 2}")],
  [container("resources: {limits: {cpu: 1}}, securityContext: {}, terminationMessagePolicy: File"), `LTN0109 ${first}.resources`],
  [deployment(selector)],
  [deployment(selector, "app: b"), "LTN0606 spec.selector"],
  [deployment("selector: {}"), "LTN0606 spec.selector"],
  [
    deployment("selector: {matchLabels: {app: a}, matchExpressions: [{key: app, operator: In}]}"),
    "LTN0606 spec.selector.matchExpressions[0].values",
    "LTN0606 spec.selector",
  ],
  [deployment(`${selector}, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}`), "LTN0607 spec.strategy.rollingUpdate"],
  [
    deployment(`${selector}, strategy: {rollingUpdate: {maxSurge: -1, maxUnavailable: many}}`),
    "LTN0607 spec.strategy.rollingUpdate.maxSurge",
    "LTN0607 spec.strategy.rollingUpdate.maxUnavailable",
  ],
  [deployment(`${selector}, strategy: {type: Recreate, rollingUpdate: {}}`), "LTN0607 spec.strategy.rollingUpdate"],
  [deployment(`${selector}, strategy: {type: Recreate}, replicas: 0`)],
  [
    deployment(selector).replace("spec: {containers", "spec: {restartPolicy: Never, containers"),
    "LTN0604 spec.template.spec.restartPolicy",
  ],
  [service("ports: []"), "LTN0608 spec.ports"],
  [service("clusterIP: None")],
  [service("ports: [{port: 1}, {port: 2}]"), "LTN0608 spec.ports[0].name", "LTN0608 spec.ports[1].name"],
  [service("ports: [{port: 1, name: a}, {port: 1, name: a}]"), "LTN0608 spec.ports[1].port", "LTN0608 spec.ports[1].name"],
  [service("ports: [{port: 1, name: a}, {port: 1, name: b, protocol: UDP}]")],
  [service("ports: [{port: 1, targetPort: 0}]"), "LTN0105 spec.ports[0].targetPort"],
  [service("ports: [{port: 1}], clusterIP: somewhere"), "LTN0608 spec.clusterIP"],
  [
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1, '::1', 10.0.0.256]}]}",
    "LTN0609 endpoints[0].addresses[1]",
    "LTN0609 endpoints[0].addresses[2]",
  ],
  [
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {'a/b': c, d: e}, binaryData: {d: YQ==, f: '%'}}",
    'LTN0106 data["a/b"]',
    "LTN0611 binaryData.f",
    "LTN0610 binaryData.d",
  ],
  [meshConfig("connectTimeout: soon"), "LTN0901 data.mesh"],
  [meshConfig("meshMTLS: {cipherSuites: [TLS_AES_128_GCM_SHA256], ecdhCurves: [P-224]}"), "LTN0901 data.mesh", "LTN0901 data.mesh"],
  [meshConfig("meshMTLS: {cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256], ecdhCurves: [P-256]}")],
  [meshConfig("connectTimeout: soon").replace("istio-system", "elsewhere")],
  ["{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: plain!}, stringData: {b: plain!}}", "LTN0611 data.a"],
];

describe("Kubernetes' kinds", () => {
  test.each(cases.map(([text, ...expected]) => [text, expected] as const))("%s: %j", (text, expected) => {
    expect(findings(text).toSorted()).toEqual(expected.toSorted());
  });

  test("defaults are Kubernetes'", () => {
    const text = `${deployment(selector)}\n---\n${container("readinessProbe: {httpGet: {port: 80}}")}\n---\n${service("ports: [{port: 80}]")}`;
    const [first, second, third] = parseManifests(text, { file: "x.yaml" }).resources.map(({ value }) => value);
    expect(first).toMatchObject({
      spec: {
        replicas: 1,
        strategy: { type: "RollingUpdate" },
        progressDeadlineSeconds: 600,
        template: { spec: { terminationGracePeriodSeconds: 30 } },
      },
    });
    const probe = {
      initialDelaySeconds: 0,
      periodSeconds: 10,
      timeoutSeconds: 1,
      successThreshold: 1,
      failureThreshold: 3,
      httpGet: { path: "/", scheme: "HTTP" },
    };
    expect(second).toMatchObject({
      spec: { restartPolicy: "Always", serviceAccountName: "default", containers: [{ readinessProbe: probe }] },
    });
    expect(third).toMatchObject({ spec: { type: "ClusterIP", ports: [{ port: 80, targetPort: 80, protocol: "TCP" }] } });
  });
});
