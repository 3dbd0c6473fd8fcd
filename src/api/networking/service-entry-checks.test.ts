// Specs of a ServiceEntry, and what is wrong with each.

import { describe } from "vitest";
import { checkSpecs, type SpecCase } from "./testing/check-specs.ts";

const entry = (fields: string) => `{hosts: [a.example], ports: [{number: 443, name: tls, protocol: TLS}], ${fields}}`;

const serviceEntries: readonly SpecCase[] = [
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

describe("ServiceEntry", () => checkSpecs("ServiceEntry", serviceEntries));
