// Findings about security policies: each on the smallest mesh that shows it, and none on one that is sound.

import { expect, test } from "vitest";
import { parseManifests } from "../../api/parse.ts";
import { snapshotOf } from "../../api/snapshot-of.ts";
import { analyze } from "../analyze.ts";

const workload = (name: string, annotations = "{}") => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [{port: 80, name: http, targetPort: 8080}, {port: 5432, name: tcp-db}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}, annotations: ${annotations}}
    spec: {containers: [{name: main, image: i}]}
---`;

const policy = (kind: string, spec: string, namespace = "shop") => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: {name: p, namespace: ${namespace}}
spec: ${spec}
---`;

const rule = (tls: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: ${tls}}
---`;

const web = workload("web");
const bare = workload("legacy", '{sidecar.istio.io/inject: "false"}');
const strict = policy("PeerAuthentication", "{mtls: {mode: STRICT}}");
const disable = policy("PeerAuthentication", "{mtls: {mode: DISABLE}}");
const ap = (spec: string) => policy("AuthorizationPolicy", spec);
const from = (source: string) => `{from: [{source: ${source}}]}`;

test.each<[string, string, readonly string[]]>([
  [
    "a sound mesh",
    web + strict + ap(`{selector: {matchLabels: {app: web}}, rules: [${from("{principals: [cluster.local/ns/shop/sa/web]}")}]}`),
    [],
  ],
  ["a policy for nobody", web + ap("{selector: {matchLabels: {app: wep}}}"), ["LTN0830 AuthorizationPolicy shop/p spec.selector"]],
  [
    "in another namespace",
    web + policy("PeerAuthentication", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}", "other"),
    ["LTN0830 PeerAuthentication other/p spec.selector"],
  ],
  ["of the root namespace", web + policy("RequestAuthentication", "{selector: {matchLabels: {app: web}}}", "istio-system"), []],
  [
    "a policy for a pod without sidecar",
    bare + ap("{selector: {matchLabels: {app: legacy}}}"),
    ["LTN0833 AuthorizationPolicy shop/p spec.selector"],
  ],
  ["STRICT beside pods without sidecar", web + bare + strict, ["LTN0831 PeerAuthentication shop/p spec"]],
  [
    "a stand-in for the world outside",
    workload("out", '{sidecar.istio.io/inject: "false", lateen.dev/external-hosts: a.test}') + strict,
    [],
  ],
  ["DISABLE to STRICT", web + strict + rule("{tls: {mode: DISABLE}}"), ["LTN0832 DestinationRule shop/web spec.trafficPolicy.tls.mode"]],
  [
    "at a port",
    web + strict + rule("{portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}"),
    ["LTN0832 DestinationRule shop/web spec.trafficPolicy.portLevelSettings[0].tls.mode"],
  ],
  [
    "ISTIO_MUTUAL to DISABLE",
    web + disable + rule("{tls: {mode: ISTIO_MUTUAL}}"),
    ["LTN0832 DestinationRule shop/web spec.trafficPolicy.tls.mode"],
  ],
  ["ISTIO_MUTUAL to STRICT", web + strict + rule("{tls: {mode: ISTIO_MUTUAL}}"), []],
  [
    "a DENY that plaintext passes by",
    web + ap(`{action: DENY, rules: [${from("{namespaces: [bad]}")}]}`),
    ["LTN0834 AuthorizationPolicy shop/p spec.rules[0]"],
  ],
  [
    "an ALLOW of all but some",
    web + ap(`{rules: [${from("{notNamespaces: [bad]}")}]}`),
    ["LTN0834 AuthorizationPolicy shop/p spec.rules[0]"],
  ],
  ["an ALLOW of some is safe", web + ap(`{rules: [${from("{namespaces: [good]}")}]}`), []],
  ["a DENY where plaintext is refused", web + strict + ap(`{action: DENY, rules: [${from("{namespaces: [bad]}")}]}`), []],
  [
    "identities where there are none",
    web + disable + ap("{rules: [{when: [{key: source.namespace, values: [a]}]}]}"),
    ["LTN0835 AuthorizationPolicy shop/p spec.rules[0]"],
  ],
  [
    "a foreign trust domain",
    web + ap(`{rules: [${from('{principals: ["other/ns/a/sa/b", "*/ns/a/sa/b", "cluster.local/ns/a/sa/b"]}')}]}`),
    ["LTN0836 AuthorizationPolicy shop/p spec.rules[0].from[0].source.principals[0]"],
  ],
  [
    "HTTP on a TCP port",
    web + ap("{rules: [{to: [{operation: {methods: [GET]}}]}]}"),
    ["LTN0837 AuthorizationPolicy shop/p spec.rules[0]"],
  ],
  ["HTTP on the HTTP port", web + ap('{rules: [{to: [{operation: {methods: [GET], ports: ["8080"]}}]}]}'), []],
])("%s", (_, yaml, expected) => {
  const { resources, diagnostics } = parseManifests(yaml, { file: "test.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const found = analyze(snapshotOf(resources.map(({ value }) => value)));
  expect(
    found.filter(({ code }) => code >= "LTN0830" && code < "LTN0840").map(({ code, resource, path }) => `${code} ${resource} ${path}`),
  ).toEqual(expected);
});

test("messages name who is concerned", () => {
  const { resources } = parseManifests(web + strict + rule("{tls: {mode: SIMPLE}}"), { file: "test.yaml" });
  expect(analyze(snapshotOf(resources.map(({ value }) => value))).map(({ message }) => message)).toContain(
    "clients use tls mode SIMPLE, and PeerAuthentication shop/p says STRICT for port 5432 of web",
  );
});
