// Checks of Service and EndpointSlice: ports can be told apart, addresses are what they claim.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isIp, isIpv4, isIpv6 } from "../ip.ts";
import { checkLabels, checkUnique, invalidName, isDnsLabel, isHostName } from "../names.ts";
import type { EndpointSlice } from "./endpoint-slice.ts";
import type { Service } from "./service.ts";

/** All findings of one Service. */
export function checkService({ spec }: Service): readonly Finding[] {
  const path = ["spec", "ports"];
  const headless = spec.clusterIP === "None";
  const none: readonly Finding[] =
    spec.ports.length === 0 && !headless && spec.type !== "ExternalName"
      ? [{ code: "LTN0608", path, message: "`spec.ports` is empty", fix: "Add the ports of the service." }]
      : [];
  return [
    ...none,
    ...checkPortNames(spec.ports, path),
    ...checkUnique(
      spec.ports.map(({ port, protocol }) => `${port}/${protocol}`),
      (index) => [...path, index, "port"],
      { code: "LTN0608", what: "the port" },
    ),
    ...checkLabels(spec.selector, ["spec", "selector"]),
    ...checkTargetPorts(spec.ports, path),
    ...checkClusterIp(spec.clusterIP),
  ];
}

function checkPortNames(ports: Service["spec"]["ports"], path: FieldPath): readonly Finding[] {
  if (ports.length <= 1)
    return ports.flatMap((port, index) => (port.name === "" ? [] : checkPortName(port.name, [...path, index, "name"])));
  const unnamed = ports.flatMap(({ name }, index) => {
    const at = [...path, index, "name"];
    if (name !== "") return checkPortName(name, at);
    return [
      {
        code: "LTN0608" as const,
        path: at,
        message: `\`${printPath(at)}\` is missing; with several ports each needs a name`,
        fix: 'Add a name, for example "http".',
      },
    ];
  });
  const names = ports.map(({ name }, index) => (name === "" ? index : name));
  return [...unnamed, ...checkUnique(names, (index) => [...path, index, "name"], { code: "LTN0608", what: "the port name" })];
}

function checkPortName(name: string, path: FieldPath): readonly Finding[] {
  return isDnsLabel(name) ? [] : [invalidName(path, name, "Use lower-case letters, digits and '-' (at most 63).")];
}

function checkTargetPorts(ports: Service["spec"]["ports"], path: FieldPath): readonly Finding[] {
  return ports.flatMap(({ targetPort }, index) => {
    const at = [...path, index, "targetPort"];
    if (typeof targetPort === "string" ? isDnsLabel(targetPort) && targetPort.length <= 15 : targetPort >= 1 && targetPort <= 65_535)
      return [];
    return [
      {
        code: "LTN0105" as const,
        path: at,
        message: `\`${printPath(at)}\` is ${JSON.stringify(targetPort)}`,
        fix: "Use a port of 1 to 65535 or the name of a container port.",
      },
    ];
  });
}

function checkClusterIp(clusterIp: string | undefined): readonly Finding[] {
  if (clusterIp === undefined || clusterIp === "" || clusterIp === "None" || isIp(clusterIp)) return [];
  const path = ["spec", "clusterIP"];
  return [
    {
      code: "LTN0608",
      path,
      message: `\`spec.clusterIP\` is ${JSON.stringify(clusterIp.slice(0, 60))}`,
      fix: 'Leave it out, or write "None" for a headless service.',
    },
  ];
}

/** All findings of one EndpointSlice. */
export function checkEndpointSlice({ addressType, endpoints }: EndpointSlice): readonly Finding[] {
  const rules = { IPv4: isIpv4, IPv6: isIpv6, FQDN: isHostName };
  return endpoints.flatMap(({ addresses }, index) =>
    addresses.flatMap((address, place) => {
      if (rules[addressType](address)) return [];
      const path = ["endpoints", index, "addresses", place];
      return [
        {
          code: "LTN0609" as const,
          path,
          message: `\`${printPath(path)}\`: ${JSON.stringify(address.slice(0, 60))} is not of type ${addressType}`,
        },
      ];
    }),
  );
}
