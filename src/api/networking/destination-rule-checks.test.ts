// Specs of a DestinationRule, and what is wrong with each.

import { describe } from "vitest";
import { checkSpecs, type SpecCase } from "./testing/check-specs.ts";

const policy = (settings: string) => `{host: web, trafficPolicy: {${settings}}}`;
const hash = "spec.trafficPolicy.loadBalancer.consistentHash";
const tls = "spec.trafficPolicy.tls";
const pool = "spec.trafficPolicy.connectionPool";

const destinationRules: readonly SpecCase[] = [
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

describe("DestinationRule", () => checkSpecs("DestinationRule", destinationRules));
