// Checks of one ServiceEntry beyond its structure: Istio's CEL rules and validation, each with cause and fix.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isWildcard } from "../hosts.ts";
import { isCidr, isIp, isIpOrCidr } from "../ip.ts";
import { checkLabels, checkUnique, isDnsLabel, isHostName } from "../names.ts";
import { checkHostPattern, checkProtocol } from "./common-checks.ts";
import type { ServiceEntry, WorkloadEntrySpec } from "./service-entry.ts";

/** All findings of one ServiceEntry. */
export function checkServiceEntry(resource: ServiceEntry): readonly Finding[] {
  return [
    ...checkHosts(resource),
    ...checkAddresses(resource),
    ...checkPorts(resource),
    ...checkResolution(resource),
    ...resource.spec.endpoints.flatMap((endpoint, index) => checkEndpoint(resource, endpoint, ["spec", "endpoints", index])),
  ];
}

function checkHosts({ spec }: ServiceEntry): readonly Finding[] {
  const path = ["spec", "hosts"];
  if (spec.hosts.length === 0) return [{ code: "LTN0501", path, message: "`spec.hosts` is empty", fix: "Name at least one host." }];
  const everything = spec.hosts.indexOf("*");
  if (everything >= 0) {
    const fix = 'Name a host or a suffix, for example "*.example.com".';
    return [{ code: "LTN0501", path: [...path, everything], message: 'the host "*" would be every host there is', fix }];
  }
  return [
    ...spec.hosts.flatMap((host, index) => checkHostPattern(host, [...path, index])),
    ...checkUnique(
      spec.hosts.map((host) => host.toLowerCase()),
      (index) => [...path, index],
      { code: "LTN0203", what: "the host" },
    ),
  ];
}

function checkAddresses({ spec }: ServiceEntry): readonly Finding[] {
  return spec.addresses.flatMap((address, index) => {
    const path = ["spec", "addresses", index];
    if (!isIpOrCidr(address)) {
      const message = `\`${printPath(path)}\`: ${JSON.stringify(address.slice(0, 60))} is neither an address nor a range`;
      return [{ code: "LTN0502" as const, path, message, fix: "Write an IP address; names belong into hosts or endpoints." }];
    }
    if (!isCidr(address) || spec.resolution === "NONE" || spec.resolution === "STATIC") return [];
    const message = `\`${printPath(path)}\` is a range, which resolution ${spec.resolution} can't use`;
    return [{ code: "LTN0502" as const, path, message, fix: "Use resolution NONE or STATIC, or a single address." }];
  });
}

function checkPorts({ spec }: ServiceEntry): readonly Finding[] {
  const path = ["spec", "ports"];
  const none: readonly Finding[] =
    spec.ports.length === 0 ? [{ code: "LTN0503", path, message: "`spec.ports` is empty", fix: "Add the ports the host serves." }] : [];
  const at = (field: string) => (index: number) => [...path, index, field];
  return [
    ...none,
    ...checkUnique(
      spec.ports.map(({ number }) => number),
      at("number"),
      { code: "LTN0503", what: "the port number" },
    ),
    ...checkUnique(
      spec.ports.map(({ name }) => name),
      at("name"),
      { code: "LTN0503", what: "the port name" },
    ),
    ...spec.ports.flatMap(({ name, protocol }, index) => [
      ...(protocol === undefined ? [] : checkProtocol(protocol, at("protocol")(index))),
      ...(isDnsLabel(name.toLowerCase()) ? [] : [portName(name, at("name")(index))]),
    ]),
  ];
}

function portName(name: string, path: FieldPath): Finding {
  const message = `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} is not a port name`;
  return { code: "LTN0106", path, message, fix: "Use lower-case letters, digits and '-', for example \"https\"." };
}

function checkResolution({ spec }: ServiceEntry): readonly Finding[] {
  const path = ["spec", "resolution"];
  const finding = (message: string, fix: string): readonly Finding[] => [{ code: "LTN0504", path, message, fix }];
  const { resolution, endpoints, workloadSelector } = spec;
  if (endpoints.length > 0 && workloadSelector !== undefined) {
    return finding("the ServiceEntry has endpoints and workloadSelector", "Keep one of them.");
  }
  switch (resolution) {
    case "NONE":
      return endpoints.length > 0
        ? finding("resolution NONE takes no endpoints", "Use resolution STATIC or DNS, or remove the endpoints.")
        : [];
    case "STATIC":
      return endpoints.length === 0 && workloadSelector === undefined
        ? finding("resolution STATIC needs endpoints", "Add endpoints with addresses, or use resolution DNS.")
        : [];
    case "DNS_ROUND_ROBIN":
      return endpoints.length > 1
        ? finding("resolution DNS_ROUND_ROBIN takes one endpoint at most", "Use resolution DNS.")
        : checkNoWildcard(spec);
    case "DNS":
      return checkNoWildcard(spec);
    case "DYNAMIC_DNS":
      return endpoints.length > 0 ? finding("resolution DYNAMIC_DNS takes no endpoints", "Remove the endpoints.") : [];
  }
}

function checkNoWildcard({ hosts, endpoints, resolution }: ServiceEntry["spec"]): readonly Finding[] {
  const index = hosts.findIndex(isWildcard);
  if (index < 0 || endpoints.length > 0) return [];
  const message = `the wildcard host "${hosts[index] ?? ""}" can't be looked up by resolution ${resolution}`;
  return [{ code: "LTN0504", path: ["spec", "hosts", index], message, fix: "Use resolution NONE, or name the endpoints." }];
}

function checkEndpoint({ spec }: ServiceEntry, endpoint: WorkloadEntrySpec, path: FieldPath): readonly Finding[] {
  const known = new Set(spec.ports.map(({ name }) => name));
  const unknownPorts = Object.keys(endpoint.ports).filter((name) => !known.has(name));
  return [
    ...checkEndpointAddress(spec, endpoint, [...path, "address"]),
    ...checkLabels(endpoint.labels, [...path, "labels"]),
    ...unknownPorts.map((name) => ({
      code: "LTN0505" as const,
      path: [...path, "ports", name],
      message: `\`${printPath(path)}\` gives a port for "${name.slice(0, 80)}", which spec.ports doesn't have`,
      fix: `Use one of ${[...known].join(", ")}.`,
    })),
  ];
}

function checkEndpointAddress(
  spec: ServiceEntry["spec"],
  { address, network, ports }: WorkloadEntrySpec,
  path: FieldPath,
): readonly Finding[] {
  const name = printPath(path);
  const finding = (message: string, fix: string): readonly Finding[] => [{ code: "LTN0505", path, message, fix }];
  if (address === "") return network === undefined ? finding(`\`${name}\` is empty`, "Give an address.") : [];
  if (address.startsWith("unix://")) {
    return Object.keys(ports).length === 0
      ? []
      : finding(`\`${name}\` is a Unix socket, which has no ports`, "Remove the endpoint's ports.");
  }
  if (isIp(address)) return [];
  if (spec.resolution === "STATIC")
    return finding(`\`${name}\`: resolution STATIC needs IP addresses`, "Write an IP address, or use resolution DNS.");
  return isHostName(address)
    ? []
    : finding(`\`${name}\`: ${JSON.stringify(address.slice(0, 80))} is no address`, "Write an IP address or a DNS name.");
}
