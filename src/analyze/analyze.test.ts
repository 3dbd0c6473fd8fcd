import { describe, expect, test } from "vitest";
import { parseManifests } from "../api/parse.ts";
import { snapshotOf } from "../api/snapshot-of.ts";
import { analyze } from "./analyze.ts";

const meta = (name: string, created = "2030-01-01T00:00:00Z") =>
  `metadata: {name: ${name}, namespace: shop, creationTimestamp: "${created}"}`;

const service = (name: string) => `
apiVersion: v1
kind: Service
${meta(name)}
spec: {selector: {app: ${name}}, ports: [{port: 80, name: http}]}
---`;

const deployment = (name: string, version = "v1") => `
apiVersion: apps/v1
kind: Deployment
${meta(`${name}-${version}`)}
spec:
  selector: {matchLabels: {app: ${name}, version: ${version}}}
  template:
    metadata: {labels: {app: ${name}, version: ${version}}}
    spec: {containers: [{name: main, image: "${name}:${version}"}]}
---`;

const virtualService = (name: string, spec: string, created?: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
${meta(name, created)}
spec: ${spec}
---`;

const rule = (name: string, spec: string, created?: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
${meta(name, created)}
spec: ${spec}
---`;

const gateway = (name: string, spec: string, created?: string) => `
apiVersion: networking.istio.io/v1
kind: Gateway
${meta(name, created)}
spec: ${spec}
---`;

const serviceEntry = (name: string, spec: string, created?: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
${meta(name, created)}
spec: ${spec}
---`;

const web = service("web") + deployment("web");
const to = (destination: string) => `{hosts: [web], http: [{route: [{destination: ${destination}}]}]}`;
const httpServer = '{selector: {app: web}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}';

const httpsServer = (hosts: string) =>
  `{selector: {app: web}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [${hosts}], tls: {mode: SIMPLE, credentialName: c}}]}`;

const portOf = (name: string, protocol: string, created?: string, targetPort = 8080) => `
apiVersion: v1
kind: Service
${meta(name, created)}
spec: {selector: {app: web}, ports: [{port: 80, name: ${protocol}, targetPort: ${targetPort}}]}
---`;

const fileServer = (tls: string, port = 443) =>
  `{selector: {app: edge}, servers: [{port: {number: ${port}, name: https, protocol: HTTPS}, hosts: ["*"], tls: ${tls}}]}`;

function findingsOf(yaml: string) {
  const { resources, diagnostics } = parseManifests(yaml, { file: "test.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return analyze(snapshotOf(resources.map(({ value }) => value)));
}

const later = "2030-01-02T00:00:00Z";

/** Title, manifests, expected [code, resource, path]. */
type Case = readonly [title: string, yaml: string, expected: readonly (readonly [code: string, resource: string, path: string])[]];

const cases: readonly Case[] = [
  [
    "a sound mesh",
    web + rule("web", "{host: web, subsets: [{name: v1, labels: {version: v1}}]}") + virtualService("web", to("{host: web, subset: v1}")),
    [],
  ],
  [
    "hosts in every spelling",
    web +
      ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "WEB"]
        .map((host, index) =>
          virtualService(`v${index}`, `{hosts: [h${index}.example], gateways: [edge], http: [{route: [{destination: {host: ${host}}}]}]}`),
        )
        .join("") +
      gateway("edge", httpServer),
    [],
  ],
  [
    "an unknown destination, in http, mirror, tcp and tls",
    web +
      virtualService(
        "web",
        "{hosts: [web], http: [{route: [{destination: {host: wbe}}], mirrors: [{destination: {host: gone}}]}], tcp: [{route: [{destination: {host: t}}]}], tls: [{match: [{sniHosts: [web]}], route: [{destination: {host: s}}]}]}",
      ),
    [
      ["LTN0701", "VirtualService shop/web", "spec.http[0].mirrors[0].destination.host"],
      ["LTN0701", "VirtualService shop/web", "spec.http[0].route[0].destination.host"],
      ["LTN0701", "VirtualService shop/web", "spec.tcp[0].route[0].destination.host"],
      ["LTN0701", "VirtualService shop/web", "spec.tls[0].route[0].destination.host"],
    ],
  ],
  [
    "a port the service doesn't have",
    web + virtualService("web", to("{host: web, port: {number: 81}}")),
    [["LTN0710", "VirtualService shop/web", "spec.http[0].route[0].destination.port"]],
  ],
  [
    "a subset without any rule",
    web + virtualService("web", to("{host: web, subset: v1}")),
    [["LTN0702", "VirtualService shop/web", "spec.http[0].route[0].destination.subset"]],
  ],
  [
    "a subset the rule doesn't have",
    web + rule("web", "{host: web, subsets: [{name: v1, labels: {version: v1}}]}") + virtualService("web", to("{host: web, subset: v2}")),
    [["LTN0702", "VirtualService shop/web", "spec.http[0].route[0].destination.subset"]],
  ],
  [
    "a subset without pods",
    web + rule("web", "{host: web, subsets: [{name: v2, labels: {version: v2}}]}"),
    [["LTN0703", "DestinationRule shop/web", "spec.subsets[0]"]],
  ],
  ["a rule for an unknown host", rule("web", "{host: web}"), [["LTN0713", "DestinationRule shop/web", "spec.host"]]],
  ["a service without pods", service("web"), [["LTN0712", "Service shop/web", "spec.selector"]]],
  [
    "two VirtualServices for one host on the mesh",
    web +
      virtualService("younger", to("{host: web}"), later) +
      virtualService("zolder", to("{host: web.shop}").replace("[web]", "[web.shop.svc.cluster.local]")),
    [["LTN0704", "VirtualService shop/younger", "spec.hosts[0]"]],
  ],
  [
    "two VirtualServices for one host at a gateway are merged",
    web +
      gateway("edge", httpServer) +
      ["a", "b"]
        .map((name) =>
          virtualService(
            name,
            "{hosts: [x.example], gateways: [edge], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: web}}]}]}",
          ),
        )
        .join(""),
    [],
  ],
  [
    "two rules that define one subset",
    web +
      rule("b", "{host: web, subsets: [{name: v1, labels: {version: v1}}]}") +
      rule("a", "{host: web, subsets: [{name: v1, labels: {version: v1}}]}", later),
    [["LTN0705", "DestinationRule shop/a", "spec.subsets[0].name"]],
  ],
  [
    "an unknown gateway, in spec and in a match",
    web +
      virtualService(
        "web",
        "{hosts: [web], gateways: [mesh, edge], http: [{match: [{gateways: [other/edge]}], route: [{destination: {host: web}}]}]}",
      ),
    [
      ["LTN0706", "VirtualService shop/web", "spec.gateways[1]"],
      ["LTN0706", "VirtualService shop/web", "spec.http[0].match[0].gateways[0]"],
    ],
  ],
  ["a gateway without pods", gateway("edge", httpServer), [["LTN0707", "Gateway shop/edge", "spec.selector"]]],
  [
    "a host that the gateway doesn't expose",
    web +
      gateway("edge", httpServer.replace('"*"', '"other/*", "*.example"')) +
      virtualService("web", "{hosts: [web.test], gateways: [edge], http: [{route: [{destination: {host: web}}]}]}"),
    [["LTN0711", "VirtualService shop/web", "spec.gateways[0]"]],
  ],
  [
    "two gateways with one port of different protocols",
    web + gateway("a", httpServer.replace("protocol: HTTP", "protocol: TCP"), later) + gateway("b", httpServer),
    [["LTN0709", "Gateway shop/a", "spec.servers[0].port"]],
  ],
  [
    "servers that end TLS for one host on one port",
    web +
      gateway("a", httpsServer('"*.web.test", shop/Web.test'), later) +
      gateway("b", httpsServer("web.test, a.web.test").replace("number: 443", "number: 444")) +
      gateway("c", httpsServer("web.test, a.web.test")),
    [["LTN0716", "Gateway shop/a", "spec.servers[0].hosts[1]"]],
  ],
  [
    "a Gateway that names files of a gateway in another namespace",
    `apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: edges, labels: {app: edge, istio: ingress}, annotations: {inject.istio.io/templates: gateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
---` +
      gateway("a", fileServer("{mode: SIMPLE, serverCertificate: /a.pem, privateKey: /a.key}")) +
      gateway("b", fileServer("{mode: SIMPLE, tlsCertificates: [{serverCertificate: /a.pem, privateKey: /a.key}]}", 444)) +
      gateway("c", fileServer("{mode: SIMPLE, credentialName: c}", 445)) +
      gateway("d", fileServer("{mode: SIMPLE, serverCertificate: /a.pem, privateKey: /a.key}", 446)).replace("shop", "edges"),
    [
      ["LTN0717", "Gateway shop/a", "spec.servers[0].tls.serverCertificate"],
      ["LTN0717", "Gateway shop/b", "spec.servers[0].tls.tlsCertificates"],
    ],
  ],
  [
    "TLS to a wildcard host that no name is checked of",
    serviceEntry(
      "db",
      '{hosts: ["*.DB.example"], ports: [{number: 5432, name: tcp, protocol: TCP}, {number: 80, name: http, protocol: HTTP}]}',
    ) +
      serviceEntry("sans", '{hosts: ["*.sans.example"], ports: [{number: 5432, name: tcp}], subjectAltNames: [a.sans.example]}') +
      serviceEntry("named", "{hosts: [a.named.example], ports: [{number: 5432, name: tcp}], resolution: DNS}") +
      rule("db", '{host: "*.db.example", trafficPolicy: {tls: {mode: SIMPLE}}}') +
      rule("wide", '{host: "*.example", trafficPolicy: {tls: {mode: SIMPLE}}}').replace("shop", "other") +
      rule(
        "port",
        '{host: "*.db.example", trafficPolicy: {portLevelSettings: [{port: {number: 5432}, tls: {mode: SIMPLE}}, {port: {number: 80}, tls: {mode: SIMPLE}}]}}',
      ) +
      rule("sni", '{host: "*.db.example", trafficPolicy: {tls: {mode: SIMPLE, sni: a.db.example}}}') +
      rule("own", '{host: "*.db.example", trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [a.db.example]}}}') +
      rule(
        "http",
        '{host: "*.db.example", trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 5432}, tls: {mode: DISABLE}}]}}',
      ) +
      rule("sans", '{host: "*.sans.example", trafficPolicy: {tls: {mode: SIMPLE}}}') +
      rule("named", "{host: a.named.example, trafficPolicy: {tls: {mode: SIMPLE}}}"),
    [
      ["LTN0719", "DestinationRule other/wide", "spec.trafficPolicy.tls"],
      ["LTN0719", "DestinationRule shop/db", "spec.trafficPolicy.tls"],
      ["LTN0719", "DestinationRule shop/port", "spec.trafficPolicy.portLevelSettings[0].tls"],
    ],
  ],
  [
    "two Services that declare one port of a workload differently",
    deployment("web") +
      deployment("web", "v2") +
      portOf("a", "http", later) +
      portOf("b", "http") +
      portOf("b-c", "tcp") +
      portOf("c", '""', later) +
      portOf("d", "tcp", later, 81),
    [["LTN0718", "Service shop/b-c", "spec.ports[0]"]],
  ],
  [
    "a Service that declares nothing and comes before one that does",
    deployment("web") + portOf("a", '""') + portOf("b", "http", later),
    [["LTN0718", "Service shop/b", "spec.ports[0]"]],
  ],
  ["Services whose declarations come to the same", deployment("web") + portOf("a", "grpc") + portOf("b", "http2", later), []],
  [
    "a ServiceEntry for a Service's host, and for one of another entry",
    web +
      serviceEntry("web", "{hosts: [web.shop.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}]}") +
      serviceEntry("one", "{hosts: [api.example], ports: [{number: 443, name: tls, protocol: TLS}]}") +
      serviceEntry("two", "{hosts: [api.example], ports: [{number: 443, name: tls, protocol: TLS}]}", later),
    [
      ["LTN0708", "ServiceEntry shop/two", "spec.hosts[0]"],
      ["LTN0708", "ServiceEntry shop/web", "spec.hosts[0]"],
    ],
  ],
  [
    "a host that nothing in the mesh has",
    web + virtualService("web", to("{host: web}").replace("[web]", "[nobody]")),
    [["LTN0715", "VirtualService shop/web", "spec.hosts[0]"]],
  ],
  [
    "a wildcard ServiceEntry is a destination",
    serviceEntry("all", '{hosts: ["*.example"], ports: [{number: 443, name: tls, protocol: TLS}]}') +
      virtualService("web", "{hosts: [a.example], tls: [{match: [{sniHosts: [a.example]}], route: [{destination: {host: a.example}}]}]}"),
    [],
  ],
];

describe("analyze", () => {
  test.each(cases)("%s", (_title, yaml, expected) => {
    const found = findingsOf(yaml);
    expect(found.map(({ code, resource, path }) => [code, resource, path])).toEqual(expected);
    for (const { message, fix } of found) expect([message, fix].every((text) => text.length > 10)).toBe(true);
  });

  test("messages name the object to edit", () => {
    const [unknown] = findingsOf(
      web +
        rule("rules", "{host: web, subsets: [{name: v1, labels: {version: v1}}]}") +
        virtualService("web", to("{host: web, subset: v2}")),
    );
    expect(unknown?.message).toBe('DestinationRule shop/rules has no subset "v2"; it has v1');
    expect(unknown?.fix).toContain("DestinationRule shop/rules");
    const [rival] = findingsOf(web + virtualService("a", to("{host: web}")) + virtualService("b", to("{host: web}"), later));
    expect(rival?.message).toContain("claimed by VirtualService shop/a already");
  });
});
