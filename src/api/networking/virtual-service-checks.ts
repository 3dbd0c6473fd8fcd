// Checks of one VirtualService beyond its structure: Istio's CEL rules and validation, each with cause and fix.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { hostMatches } from "../hosts.ts";
import { isIpOrCidr } from "../ip.ts";
import { checkLabels, checkUnique, isDnsLabel, isDnsSubdomain, isHostName } from "../names.ts";
import { checkHostPattern, checkWeights } from "./common-checks.ts";
import { destinationsOf } from "./destinations.ts";
import { checkHttpRoute } from "./http-route-checks.ts";
import { checkReachable } from "./reachable-checks.ts";
import { type Destination, meshGateway, type TcpRoute, type TlsRoute, type VirtualService } from "./virtual-service.ts";

/** All findings of one VirtualService. */
export function checkVirtualService(resource: VirtualService): readonly Finding[] {
  const { spec } = resource;
  return [
    ...checkHosts(resource),
    ...checkGateways(resource),
    ...checkSomeRoute(resource),
    ...spec.http.flatMap((route, index) => checkHttpRoute(route, ["spec", "http", index])),
    ...spec.tcp.flatMap((route, index) => checkTcpRoute(route, ["spec", "tcp", index])),
    ...spec.tls.flatMap((route, index) => checkTlsRoute(route, spec.hosts, ["spec", "tls", index])),
    ...checkSources(resource),
    ...[...destinationsOf(resource)].flatMap(({ destination, path }) => checkDestination(destination, path)),
    ...checkReachable(resource),
  ];
}

function checkHosts({ spec }: VirtualService): readonly Finding[] {
  const path = ["spec", "hosts"];
  if (spec.hosts.length === 0) {
    const message = "`spec.hosts` is empty: this is a delegate, which has no effect here yet";
    return [{ code: "LTN0109", path, message, fix: "Add the hosts it is for." }];
  }
  const onMesh = spec.gateways.includes(meshGateway);
  const everything = spec.hosts.indexOf("*");
  const wildcard: readonly Finding[] =
    onMesh && everything >= 0
      ? [
          {
            code: "LTN0223",
            path: [...path, everything],
            message: 'the host "*" would take all traffic of the whole mesh',
            fix: "Name hosts, or bind the VirtualService to a gateway.",
          },
        ]
      : [];
  return [
    ...spec.hosts.flatMap((host, index) => checkHostPattern(host, [...path, index])),
    ...checkUnique(
      spec.hosts.map((host) => host.toLowerCase()),
      (index) => [...path, index],
      { code: "LTN0203", what: "the host" },
    ),
    ...wildcard,
  ];
}

function checkGateways({ spec }: VirtualService): readonly Finding[] {
  const path = ["spec", "gateways"];
  return spec.gateways.flatMap((gateway, index) => checkGatewayName(gateway, [...path, index]));
}

function checkGatewayName(gateway: string, path: FieldPath): readonly Finding[] {
  const parts = gateway.split("/");
  const [first = "", second] = parts;
  const fine = second === undefined ? isDnsSubdomain(first) : (isDnsLabel(first) || first === ".") && isDnsSubdomain(second);
  if (fine && parts.length <= 2) return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(gateway.slice(0, 80))} is not a gateway's name`;
  return [{ code: "LTN0221", path, message, fix: 'Write "name", "namespace/name", or "mesh" for all sidecars.' }];
}

function checkSomeRoute({ spec }: VirtualService): readonly Finding[] {
  if (spec.http.length + spec.tcp.length + spec.tls.length > 0) return [];
  return [{ code: "LTN0204", path: ["spec"], message: "the VirtualService has no routes", fix: "Add http, tcp or tls routes." }];
}

function checkTcpRoute(route: TcpRoute, path: FieldPath): readonly Finding[] {
  return [
    ...checkL4Destinations(route.route, path),
    ...route.match.flatMap((match, index) => {
      const at = [...path, "match", index];
      const source = match.sourceSubnet === undefined ? [] : [{ subnet: match.sourceSubnet, path: [...at, "sourceSubnet"] }];
      const destinations = match.destinationSubnets.map((subnet, place) => ({ subnet, path: [...at, "destinationSubnets", place] }));
      return [...destinations, ...source].flatMap((entry) => checkSubnet(entry.subnet, entry.path));
    }),
  ];
}

function checkTlsRoute(route: TlsRoute, hosts: readonly string[], path: FieldPath): readonly Finding[] {
  const noMatch: readonly Finding[] =
    route.match.length === 0
      ? [{ code: "LTN0218", path: [...path, "match"], message: `\`${printPath(path)}\` has no match`, fix: "Add match with sniHosts." }]
      : [];
  return [
    ...noMatch,
    ...checkL4Destinations(route.route, path),
    ...route.match.flatMap((match, index) => {
      const at = [...path, "match", index];
      return [
        ...checkSniHosts(match.sniHosts, hosts, [...at, "sniHosts"]),
        ...match.destinationSubnets.flatMap((subnet, place) => checkSubnet(subnet, [...at, "destinationSubnets", place])),
      ];
    }),
  ];
}

function checkSniHosts(sniHosts: readonly string[], hosts: readonly string[], path: FieldPath): readonly Finding[] {
  if (sniHosts.length === 0)
    return [{ code: "LTN0218", path, message: `\`${printPath(path)}\` is empty`, fix: "Name at least one SNI host." }];
  return sniHosts.flatMap((sni, index) => {
    const at = [...path, index];
    const invalid = checkHostPattern(sni, at);
    if (invalid.length > 0 || hosts.some((host) => hostMatches(host, sni))) return invalid;
    const message = `the SNI host "${sni.slice(0, 80)}" lies in none of spec.hosts`;
    return [{ code: "LTN0219" as const, path: at, message, fix: `Add "${sni.slice(0, 80)}" to spec.hosts.` }];
  });
}

function checkL4Destinations(route: TcpRoute["route"], path: FieldPath): readonly Finding[] {
  const at = [...path, "route"];
  if (route.length === 0)
    return [{ code: "LTN0205", path: at, message: `\`${printPath(at)}\` names no destination`, fix: "Add a destination." }];
  return checkWeights(
    route.map(({ weight }) => weight),
    at,
  );
}

function checkSubnet(subnet: string, path: FieldPath): readonly Finding[] {
  if (isIpOrCidr(subnet)) return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(subnet.slice(0, 60))} is neither an address nor a range`;
  return [{ code: "LTN0220", path, message, fix: 'Write for example "10.1.0.0/16".' }];
}

function checkSources({ spec }: VirtualService): readonly Finding[] {
  const lists = [
    ["http", spec.http],
    ["tcp", spec.tcp],
    ["tls", spec.tls],
  ] as const;
  return lists.flatMap(([name, routes]) =>
    routes.flatMap((route, index) =>
      route.match.flatMap((match, place) => {
        const at = ["spec", name, index, "match", place];
        return [
          ...checkLabels(match.sourceLabels, [...at, "sourceLabels"]),
          ...match.gateways.flatMap((gateway, item) => checkGatewayName(gateway, [...at, "gateways", item])),
        ];
      }),
    ),
  );
}

function checkDestination(destination: Destination, path: FieldPath): readonly Finding[] {
  const { host, subset } = destination;
  const at = [...path, "host"];
  const wrongHost: readonly Finding[] = isHostName(host) ? [] : destinationHostFinding(host, at);
  if (subset === undefined || isDnsLabel(subset)) return wrongHost;
  const subsetPath = [...path, "subset"];
  const message = `\`${printPath(subsetPath)}\`: ${JSON.stringify(subset.slice(0, 80))} is not a subset's name`;
  return [...wrongHost, { code: "LTN0106", path: subsetPath, message, fix: "Use lower-case letters, digits and '-'." }];
}

function destinationHostFinding(host: string, path: FieldPath): readonly Finding[] {
  if (host === "") return [{ code: "LTN0202", path, message: `\`${printPath(path)}\` is empty`, fix: "Name a service." }];
  if (!host.startsWith("*")) return checkHostPattern(host, path);
  return [
    { code: "LTN0202", path, message: `\`${printPath(path)}\` is a wildcard, but traffic needs one destination`, fix: "Name one service." },
  ];
}
