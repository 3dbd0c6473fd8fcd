import { describe, expect, test } from "vitest";
import { parseManifests } from "../parse.ts";

/** "LTN0205 spec.http[0]" of every finding. */
function findings(kind: string, spec: string): readonly string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: ${kind}, metadata: {name: web}, spec: ${spec}}`;
  return parseManifests(text, { file: "x.yaml" }).diagnostics.map(({ code, path }) => `${code} ${path}`);
}

const to = "route: [{destination: {host: web}}]";
const http = (route: string) => `{hosts: [web], http: [{${route}}]}`;
const at = "spec.http[0]";

/** Spec of a VirtualService, and what is wrong with it. */
const virtualServices: readonly (readonly [spec: string, ...expected: string[]])[] = [
  [http(to)],
  ["{http: [{route: [{destination: {host: web}}]}]}", "LTN0109 spec.hosts"],
  [`{hosts: ["http://web/"], http: [{${to}}]}`, "LTN0202 spec.hosts[0]"],
  [`{hosts: ["web:80"], http: [{${to}}]}`, "LTN0202 spec.hosts[0]"],
  [`{hosts: ["a.*.b"], http: [{${to}}]}`, "LTN0202 spec.hosts[0]"],
  [`{hosts: [web, b, WEB], http: [{${to}}]}`, "LTN0203 spec.hosts[2]"],
  [`{hosts: ["*"], http: [{${to}}]}`, "LTN0223 spec.hosts[0]"],
  [`{hosts: ["*"], gateways: [edge], http: [{${to}}]}`],
  [
    `{hosts: [web], gateways: [a/b/c, "", "ns/Edge"], http: [{${to}}]}`,
    "LTN0221 spec.gateways[0]",
    "LTN0221 spec.gateways[1]",
    "LTN0221 spec.gateways[2]",
  ],
  ["{hosts: [web]}", "LTN0204 spec"],
  [http("timeout: 1s"), `LTN0205 ${at}`],
  [http(`${to}, redirect: {uri: /a}`), `LTN0205 ${at}`],
  [http("directResponse: {status: 200}, rewrite: {uri: /a}"), `LTN0205 ${at}.rewrite`],
  [http("route: [{destination: {host: a}, weight: -1}, {destination: {host: b}, weight: 5}]"), `LTN0206 ${at}.route[0].weight`],
  [http("route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]"), `LTN0206 ${at}.route`],
  [http("route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1000}]")],
  [http("route: [{destination: {host: a}, weight: 0}]")],
  [http(`match: [{uri: {regex: "/(a"}}], ${to}`), `LTN0207 ${at}.match[0].uri.regex`],
  [http(`match: [{uri: {regex: "(?=a)"}}], ${to}`), `LTN0207 ${at}.match[0].uri.regex`],
  [http(`match: [{uri: {regex: ""}}], ${to}`), `LTN0207 ${at}.match[0].uri.regex`],
  [http(`match: [{headers: {a: {regex: "${"[ab]?".repeat(17_000)}"}}}], ${to}`), `LTN0207 ${at}.match[0].headers.a.regex`],
  [http(`match: [{headers: {a: {regex: "${"a{1000}".repeat(33)}"}}}], ${to}`), `LTN0207 ${at}.match[0].headers.a.regex`],
  [http(`match: [{headers: {a: {regex: "${"a{1000}".repeat(32)}"}}}], ${to}`)],
  [http(`match: [{queryParams: {a: {regex: "[" }}}], ${to}`), `LTN0207 ${at}.match[0].queryParams.a.regex`],
  [http(`match: [{withoutHeaders: {a: {regex: "["}}}], ${to}`), `LTN0207 ${at}.match[0].withoutHeaders.a.regex`],
  [http(`match: [{headers: {"a b": {}}}], ${to}`), `LTN0213 ${at}.match[0].headers["a b"]`],
  [
    http(
      `match: [{headers: {":method": {exact: GET}, "@request.auth.claims.x": {}, "@request.auth.claims[x.y][z]": {}, "@request.auth.claims": {}}}], ${to}`,
    ),
    `LTN0213 ${at}.match[0].headers["@request.auth.claims"]`,
  ],
  [http(`match: [{uri: {exact: a}}], ${to}`), `LTN0226 ${at}.match[0].uri`],
  [http(`match: [{method: {exact: get}}], ${to}`), `LTN0226 ${at}.match[0].method`],
  [http(`match: [{port: 0}], ${to}`), `LTN0105 ${at}.match[0].port`],
  [http(`match: [{uri: {regex: /a}, ignoreUriCase: true}], ${to}`), `LTN0217 ${at}.match[0].ignoreUriCase`],
  [http(`match: [{sourceLabels: {"a b": c}}], ${to}`), `LTN0106 ${at}.match[0].sourceLabels["a b"]`],
  [http(`${to}, timeout: 0s`), `LTN0211 ${at}.timeout`],
  [
    http(`${to}, retries: {attempts: 1, perTryTimeout: 10us, backoff: 0s}`),
    `LTN0211 ${at}.retries.perTryTimeout`,
    `LTN0211 ${at}.retries.backoff`,
  ],
  [http(`${to}, retries: {attempts: -1}`), `LTN0210 ${at}.retries.attempts`],
  [http(`${to}, retries: {attempts: 0, backoff: 25ms}`), `LTN0212 ${at}.retries.attempts`],
  [http(`${to}, retries: {attempts: 1, retryOn: "5xx, 503,unavailable,sometimes"}`), `LTN0210 ${at}.retries.retryOn`],
  [http(`${to}, fault: {}`), `LTN0214 ${at}.fault`],
  [http(`${to}, fault: {delay: {percentage: {value: 101}}}`), `LTN0214 ${at}.fault.delay`, `LTN0209 ${at}.fault.delay.percentage.value`],
  [http(`${to}, fault: {abort: {percentage: {value: 1}}}`), `LTN0214 ${at}.fault.abort`],
  [
    http(`${to}, fault: {abort: {httpStatus: 700, percentage: {value: -1}}}`),
    `LTN0208 ${at}.fault.abort.httpStatus`,
    `LTN0209 ${at}.fault.abort.percentage.value`,
  ],
  [http(`${to}, fault: {abort: {grpcStatus: BROKEN, percentage: {value: 1}}}`), `LTN0208 ${at}.fault.abort.grpcStatus`],
  [http(`${to}, fault: {abort: {grpcStatus: "14", percentage: {value: 0.5}}}`)],
  [http(`${to}, rewrite: {}`), `LTN0215 ${at}.rewrite`],
  [http(`${to}, rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}`), `LTN0215 ${at}.rewrite`],
  [http(`${to}, rewrite: {uriRegexRewrite: {match: "(", rewrite: b}}`), `LTN0207 ${at}.rewrite.uriRegexRewrite.match`],
  [http("redirect: {uri: /a, redirectCode: 200}"), `LTN0208 ${at}.redirect.redirectCode`],
  [http("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}"), `LTN0224 ${at}.redirect`],
  [http("directResponse: {status: 100}"), `LTN0208 ${at}.directResponse.status`],
  [http("directResponse: {status: 200, body: {}}"), `LTN0108 ${at}.directResponse.body`],
  [
    http(`${to}, mirror: {host: a}, mirrors: [{destination: {host: b}, percentage: {value: 200}}]`),
    `LTN0216 ${at}.mirrors`,
    `LTN0209 ${at}.mirrors[0].percentage.value`,
  ],
  [http(`${to}, headers: {request: {set: {":authority": a, Host: b, ":path": c}}}`), `LTN0213 ${at}.headers.request.set[":path"]`],
  [
    http(`${to}, headers: {response: {set: {host: a}, remove: ["a b"]}}`),
    `LTN0213 ${at}.headers.response.set.host`,
    `LTN0213 ${at}.headers.response.remove[0]`,
  ],
  [http('route: [{destination: {host: a}, headers: {request: {add: {a: "b\\n"}}}}]'), `LTN0213 ${at}.route[0].headers.request.add.a`],
  [http('route: [{destination: {host: "*.a"}}]'), `LTN0202 ${at}.route[0].destination.host`],
  [http("route: [{destination: {host: a, subset: V1}}]"), `LTN0106 ${at}.route[0].destination.subset`],
  [`{hosts: [web], http: [{match: [{uri: {prefix: /}}], ${to}}, {match: [{uri: {prefix: /a}}], ${to}}]}`, "LTN0222 spec.http[1]"],
  [`{hosts: [web], http: [{match: [{uri: {prefix: /a}}], ${to}}, {match: [{uri: {prefix: /a}, name: x}], ${to}}]}`, "LTN0222 spec.http[1]"],
  [`{hosts: [web], http: [{match: [{uri: {prefix: /}, headers: {a: {}}}], ${to}}, {${to}}]}`],
  [
    "{hosts: [web], tcp: [{match: [{port: 1, destinationSubnets: [10.0.0.0/33], sourceSubnet: x}]}]}",
    "LTN0220 spec.tcp[0].match[0].destinationSubnets[0]",
    "LTN0220 spec.tcp[0].match[0].sourceSubnet",
    "LTN0205 spec.tcp[0].route",
  ],
  [`{hosts: [web], tcp: [{${to}}, {match: [{port: 1}], ${to}}]}`, "LTN0222 spec.tcp[1]"],
  [`{hosts: [web], tls: [{${to}}]}`, "LTN0218 spec.tls[0].match"],
  [`{hosts: [web], tls: [{match: [{sniHosts: []}], ${to}}]}`, "LTN0218 spec.tls[0].match[0].sniHosts"],
  [`{hosts: ["*.a.b"], tls: [{match: [{sniHosts: [x.a.b, c.d]}], ${to}}]}`, "LTN0219 spec.tls[0].match[0].sniHosts[1]"],
];

const policy = (settings: string) => `{host: web, trafficPolicy: {${settings}}}`;
const hash = "spec.trafficPolicy.loadBalancer.consistentHash";
const tls = "spec.trafficPolicy.tls";
const pool = "spec.trafficPolicy.connectionPool";

const destinationRules: readonly (readonly [spec: string, ...expected: string[]])[] = [
  ["{host: web, subsets: [{name: v1, labels: {version: v1}}]}"],
  ["{host: 'http://web'}", "LTN0202 spec.host"],
  [
    "{host: web, subsets: [{name: v1}, {name: v1}, {name: V2, labels: {'a b': c}}]}",
    "LTN0301 spec.subsets[1].name",
    "LTN0106 spec.subsets[2].name",
    'LTN0106 spec.subsets[2].labels["a b"]',
  ],
  [policy("portLevelSettings: [{port: {number: 1}}, {port: {number: 1}}]"), "LTN0302 spec.trafficPolicy.portLevelSettings[1].port.number"],
  [policy("loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}"), "LTN0303 spec.trafficPolicy.loadBalancer"],
  [policy("loadBalancer: {consistentHash: {}}"), `LTN0303 ${hash}`],
  [policy("tls: {mode: SIMPLE}")],
  [policy("tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: system, sni: a}")],
  [policy("tls: {mode: MUTUAL, credentialName: client-cert}")],
  [policy("tls: {mode: ISTIO_MUTUAL, sni: a, subjectAltNames: [b]}")],
  [policy("tls: {sni: a, credentialName: b}"), `LTN0307 ${tls}.sni`, `LTN0307 ${tls}.credentialName`],
  [policy("tls: {mode: SIMPLE, privateKey: /k}"), `LTN0307 ${tls}.privateKey`],
  [policy("tls: {mode: MUTUAL}"), `LTN0308 ${tls}`, `LTN0308 ${tls}`],
  [policy("tls: {mode: MUTUAL, clientCertificate: /c}"), `LTN0308 ${tls}`],
  [
    policy("tls: {mode: ISTIO_MUTUAL, clientCertificate: /c, credentialName: a}"),
    `LTN0308 ${tls}.clientCertificate`,
    `LTN0308 ${tls}.credentialName`,
  ],
  [policy("tls: {mode: SIMPLE, credentialName: a, caCertificates: /c}"), `LTN0308 ${tls}.caCertificates`],
  [policy("tls: {mode: SIMPLE, insecureSkipVerify: true}"), `LTN0309 ${tls}.insecureSkipVerify`],
  [
    policy("tls: {mode: SIMPLE, insecureSkipVerify: true, caCertificates: /c, subjectAltNames: [a]}"),
    `LTN0309 ${tls}.insecureSkipVerify`,
    `LTN0308 ${tls}.caCertificates`,
    `LTN0308 ${tls}.subjectAltNames`,
  ],
  [
    policy("tls: {mode: SIMPLE, credentialName: other/cert, subjectAltNames: ['']}"),
    `LTN0308 ${tls}.credentialName`,
    `LTN0308 ${tls}.subjectAltNames[0]`,
  ],
  [
    policy("portLevelSettings: [{port: {number: 1}, tls: {mode: MUTUAL, credentialName: ''}}]"),
    ...Array(2).fill("LTN0308 spec.trafficPolicy.portLevelSettings[0].tls"),
  ],
  [policy("loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: a}}"), `LTN0303 ${hash}`],
  [policy("loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {}, maglev: {}}}"), `LTN0303 ${hash}`],
  [
    policy("loadBalancer: {consistentHash: {httpHeaderName: 'a b', maglev: {tableSize: 65536}}}"),
    `LTN0213 ${hash}.httpHeaderName`,
    `LTN0304 ${hash}.maglev.tableSize`,
  ],
  [policy("loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: -1s}}}"), `LTN0211 ${hash}.httpCookie.ttl`],
  [
    policy("connectionPool: {tcp: {maxConnections: -1, connectTimeout: 0s, tcpKeepalive: {time: 10ms}}}"),
    `LTN0306 ${pool}.tcp.maxConnections`,
    `LTN0211 ${pool}.tcp.connectTimeout`,
    `LTN0211 ${pool}.tcp.tcpKeepalive.time`,
  ],
  [
    policy("connectionPool: {http: {maxRetries: -1, idleTimeout: -1s}}"),
    `LTN0306 ${pool}.http.maxRetries`,
    `LTN0211 ${pool}.http.idleTimeout`,
  ],
  [policy("connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}"), `LTN0305 ${pool}.http`],
  [
    policy("outlierDetection: {maxEjectionPercent: 101, interval: 0s}"),
    "LTN0209 spec.trafficPolicy.outlierDetection.maxEjectionPercent",
    "LTN0211 spec.trafficPolicy.outlierDetection.interval",
  ],
  [
    policy("outlierDetection: {consecutiveLocalOriginFailures: 3}"),
    "LTN0307 spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures",
  ],
  [policy("outlierDetection: {consecutive5xxErrors: 0}, tunnel: {targetHost: a, targetPort: 1}"), "LTN0109 spec.trafficPolicy.tunnel"],
];

const server = (fields: string) => `{selector: {a: b}, servers: [{${fields}}]}`;
const port = "port: {number: 80, name: http, protocol: HTTP}";
const tlsPort = "port: {number: 443, name: tls, protocol: TLS}";

const gateways: readonly (readonly [spec: string, ...expected: string[]])[] = [
  [server(`${port}, hosts: ["*", "ns/*.a.b", "./c"]`)],
  ["{selector: {a: b}}", "LTN0401 spec.servers"],
  [server(port), "LTN0401 spec.servers[0].hosts"],
  [server(`${port}, hosts: ["Na/a", "a:80"]`), "LTN0202 spec.servers[0].hosts[0]", "LTN0202 spec.servers[0].hosts[1]"],
  [server("port: {number: 80, name: a, protocol: SMTP}, hosts: [a]"), "LTN0404 spec.servers[0].port.protocol"],
  [server(`${tlsPort}, hosts: [a]`), "LTN0403 spec.servers[0]"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: PASSTHROUGH}`)],
  [server(`${tlsPort}, hosts: [a], tls: {mode: PASSTHROUGH, credentialName: a}`), "LTN0217 spec.servers[0].tls.credentialName"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: AUTO_PASSTHROUGH}`), "LTN0109 spec.servers[0].tls.mode"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE}`), "LTN0403 spec.servers[0].tls"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a}`)],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialNames: [a, b]}`)],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialNames: [a, b, c]}`), "LTN0403 spec.servers[0].tls"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a, credentialNames: [b]}`), "LTN0403 spec.servers[0].tls"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: other/a}`), "LTN0403 spec.servers[0].tls.credentialName"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: "kubernetes://a"}`), "LTN0403 spec.servers[0].tls.credentialName"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, serverCertificate: /a}`), "LTN0403 spec.servers[0].tls"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b}`)],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: /a, privateKey: /b}, {privateKey: /c}]}`),
    "LTN0403 spec.servers[0].tls.tlsCertificates[1]",
  ],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a, subjectAltNames: [b]}`),
    "LTN0217 spec.servers[0].tls.subjectAltNames",
  ],
  [server(`${tlsPort}, hosts: [a], tls: {mode: MUTUAL, credentialName: a}`)],
  [server(`${tlsPort}, hosts: [a], tls: {mode: MUTUAL, serverCertificate: /a, privateKey: /b}`), "LTN0403 spec.servers[0].tls"],
  [server(`${tlsPort}, hosts: [a], tls: {mode: OPTIONAL_MUTUAL, serverCertificate: /a, privateKey: /b, caCertificates: /c, caCrl: /d}`)],
  [server(`${tlsPort}, hosts: [a], tls: {mode: MUTUAL, credentialName: a, caCrl: /d}`), "LTN0217 spec.servers[0].tls.caCrl"],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: MUTUAL, serverCertificate: /a, privateKey: /b, insecureSkipVerify: true}`),
    "LTN0406 spec.servers[0].tls.insecureSkipVerify",
  ],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: MUTUAL, credentialName: a, verifyCertificateSpki: [x], verifyCertificateHash: [y]}`),
    "LTN0403 spec.servers[0].tls.verifyCertificateSpki[0]",
    "LTN0403 spec.servers[0].tls.verifyCertificateHash[0]",
  ],
  [
    server(
      `${tlsPort}, hosts: [a], tls: {mode: MUTUAL, credentialName: a, verifyCertificateSpki: [${"A".repeat(43)}=], verifyCertificateHash: [${"f0".repeat(32)}, "${"0A:".repeat(31)}0A"]}`,
    ),
  ],
  [server(`${tlsPort}, hosts: [a], tls: {mode: ISTIO_MUTUAL}`)],
  [server(`${tlsPort}, hosts: [a], tls: {mode: ISTIO_MUTUAL, credentialName: a}`), "LTN0403 spec.servers[0].tls.credentialName"],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}`),
    "LTN0403 spec.servers[0].tls.maxProtocolVersion",
  ],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a, maxProtocolVersion: TLSV1_1}`),
    "LTN0403 spec.servers[0].tls.maxProtocolVersion",
  ],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_1}`),
    "LTN0217 spec.servers[0].tls.minProtocolVersion",
  ],
  [
    server(`${tlsPort}, hosts: [a], tls: {mode: SIMPLE, credentialName: a, cipherSuites: [AES128-SHA, NONE]}`),
    "LTN0217 spec.servers[0].tls.cipherSuites[1]",
  ],
  [server("port: {number: 443, name: a, protocol: TCP}, hosts: [a], tls: {mode: SIMPLE}"), "LTN0403 spec.servers[0].tls"],
  [server(`${port}, hosts: [a], tls: {httpsRedirect: true}`)],
  [server(`${port}, hosts: [a], tls: {mode: PASSTHROUGH}`), "LTN0403 spec.servers[0].tls"],
  [
    `{selector: {a: b}, servers: [{${port}, hosts: [a], name: x}, {${port}, hosts: [b], name: x}]}`,
    "LTN0402 spec.servers[1].name",
    "LTN0402 spec.servers[1].port.name",
  ],
  [
    `{selector: {a: b}, servers: [{${port}, hosts: [a]}, {port: {number: 80, name: t, protocol: TCP}, hosts: [b]}]}`,
    "LTN0405 spec.servers[1].port",
  ],
];

const entry = (fields: string) => `{hosts: [a.example], ports: [{number: 443, name: tls, protocol: TLS}], ${fields}}`;

const serviceEntries: readonly (readonly [spec: string, ...expected: string[]])[] = [
  [entry("resolution: DNS")],
  ["{hosts: [], ports: [{number: 1, name: a}]}", "LTN0501 spec.hosts"],
  ['{hosts: ["*"], ports: [{number: 1, name: a}]}', "LTN0501 spec.hosts[0]"],
  ["{hosts: [a.b, A.b], ports: [{number: 1, name: a}]}", "LTN0203 spec.hosts[1]"],
  ["{hosts: [a.b]}", "LTN0503 spec.ports"],
  [
    "{hosts: [a.b], ports: [{number: 1, name: a}, {number: 1, name: a, protocol: X}]}",
    "LTN0503 spec.ports[1].number",
    "LTN0503 spec.ports[1].name",
    "LTN0404 spec.ports[1].protocol",
  ],
  [entry("addresses: [a.b]"), "LTN0502 spec.addresses[0]"],
  [entry("addresses: [10.0.0.0/8]")],
  [entry("addresses: [10.0.0.0/8], resolution: DNS"), "LTN0502 spec.addresses[0]"],
  [entry("resolution: STATIC"), "LTN0504 spec.resolution"],
  [entry("resolution: STATIC, endpoints: [{address: 10.0.0.1}, {address: '::1'}]")],
  [entry("resolution: STATIC, endpoints: [{address: b.example}]"), "LTN0505 spec.endpoints[0].address"],
  [entry("resolution: STATIC, workloadSelector: {labels: {a: b}}")],
  [entry("resolution: NONE, endpoints: [{address: 10.0.0.1}]"), "LTN0504 spec.resolution"],
  [entry("resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 10.0.0.1}]"), "LTN0504 spec.resolution"],
  ['{hosts: ["*.a"], ports: [{number: 1, name: a}], resolution: DNS}', "LTN0504 spec.hosts[0]"],
  [entry("resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.b}, {address: c.d}]"), "LTN0504 spec.resolution"],
  [entry("resolution: DYNAMIC_DNS"), "LTN0109 spec.resolution"],
  [entry("resolution: DNS, endpoints: [{address: a.b, ports: {http: 80}}]"), "LTN0505 spec.endpoints[0].ports.http"],
  [entry("resolution: DNS, endpoints: [{}, {address: 'a b'}]"), "LTN0505 spec.endpoints[0].address", "LTN0505 spec.endpoints[1].address"],
];

const tables = { VirtualService: virtualServices, DestinationRule: destinationRules, Gateway: gateways, ServiceEntry: serviceEntries };

describe.each(Object.entries(tables))("%s", (kind, cases) => {
  test.each(cases.map(([spec, ...expected]) => [spec.slice(0, 200), expected, spec] as const))("%s: %j", (_short, expected, spec) => {
    expect(findings(kind, spec).toSorted()).toEqual(expected.toSorted());
  });
});
