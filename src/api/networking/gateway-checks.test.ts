// Specs of a Gateway, and what is wrong with each.

import { describe } from "vitest";
import { checkSpecs, type SpecCase } from "./testing/check-specs.ts";

const server = (fields: string) => `{selector: {a: b}, servers: [{${fields}}]}`;
const port = "port: {number: 80, name: http, protocol: HTTP}";
const tlsPort = "port: {number: 443, name: tls, protocol: TLS}";

const gateways: readonly SpecCase[] = [
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

describe("Gateway", () => checkSpecs("Gateway", gateways));
