// A world of services with two or three versions under releases, and a short text form of the routes that a proxy gets.

import { stringify } from "yaml";
import type { RouteJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import type { Audience } from "../../src/api/release/audience.ts";
import { audienceSchema } from "../../src/api/release/audience.ts";
import { outboundClusterName } from "../../src/envoy/names.ts";
import type { ReleaseRoute } from "../../src/model/releases/release-route.ts";
import { routeConfiguration } from "../../src/translate/route/route-configuration.ts";
import { defaultRouteSettings } from "../../src/translate/route/settings.ts";
import type { World } from "./world.ts";
import { worldOf } from "./world.ts";

/** A release of shop/<service> from v1 to v2 with a share of the candidate in 0.01 percent. */
export function releaseOf(service: string, share: number, more: Partial<ReleaseRoute> = {}): ReleaseRoute {
  return {
    name: `shop/${service}`,
    namespace: "shop",
    service,
    ports: [],
    label: "version",
    arms: [{ version: "v1" }, { version: "v2" }],
    shares: [10_000 - share, share],
    matches: [],
    ...more,
  };
}

/** Conditions with everything else empty. */
export function audience(conditions: object): Audience {
  return audienceSchema.parse(conditions);
}

/** A service of the shop and a pod per version. */
export function serviceYaml(name: string, versions: readonly string[], ports: readonly object[] = [{ name: "http", port: 80 }]): string {
  const metadata = { name, namespace: "shop" };
  const number = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 200;
  return [
    { apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP: `198.19.0.${number}`, selector: { app: name }, ports } },
    ...versions.map((version, index) => podOf(`${name}-${version}`, { app: name, version }, `198.18.${number}.${index + 1}`)),
  ]
    .map((object) => stringify(object))
    .join("---\n");
}

function podOf(name: string, labels: object, podIP: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", uid: name, labels },
    spec: { containers: [{ name: "app" }] },
    status: { podIP, conditions: [{ type: "Ready", status: "True" }] },
  };
}

/** The caller: proxy "client.shop", labelled app: client. */
export const clientYaml = stringify(podOf("client", { app: "client" }, "198.18.250.1"));

/** The world of these texts under releases. */
export function releasedWorld(texts: readonly string[], releases: readonly ReleaseRoute[]): World {
  return worldOf([clientYaml, ...texts].join("---\n"), { releases });
}

/** A proxy's route table as Envoy gets it. */
export function tableOf(world: World, proxy = "client.shop", table = "80"): RouteConfigurationJson {
  const scope = world.mesh.scopes.get(proxy);
  const found = scope?.tables.find(({ name }) => name === table);
  if (scope === undefined || found === undefined) throw new Error(`${proxy} has no table ${table}`);
  return routeConfiguration(found, scope.client, defaultRouteSettings);
}

/** The routes of one host of shop: "<path> [<conditions>] → <subset>:<weight> …", subsets alone for clusters of that host on port 80. */
export function routesOf(world: World, service: string, proxy = "client.shop", table = "80"): readonly string[] {
  const name = service.includes(".") ? service : `${service}.shop.svc.cluster.local`;
  const host = tableOf(world, proxy, table).virtualHosts?.find((virtualHost) => virtualHost.domains?.includes(name));
  return (host?.routes ?? []).map((route) => routeLine(route, world));
}

function routeLine({ match, route, redirect, directResponse }: RouteJson, world: World): string {
  const path = match?.path ?? match?.safeRegex?.regex ?? `${match?.prefix ?? ""}*`;
  const names = [
    ...(match?.headers ?? []).map((header) => header.name),
    ...(match?.queryParameters ?? []).map((parameter) => `?${parameter.name}`),
    ...(match?.cookies ?? []).map((cookie) => `cookie ${cookie.name}`),
    ...(match?.dynamicMetadata ?? []).map((claim) => `claim ${claim.path?.at(-1)?.key}`),
  ];
  const conditions = names.length === 0 ? "" : ` [${names.join(", ")}]`;
  if (route === undefined) return `${path}${conditions} → ${redirect === undefined ? directResponse?.status : "redirect"}`;
  const weights = weightsOf(route.weightedClusters?.runtimeKeyPrefix, world);
  const members = route.weightedClusters?.clusters?.map(({ name = "", weight }) => `${short(name)}:${weights(name) ?? weight ?? 0}`);
  const hash = route.weightedClusters?.useHashPolicy === true ? ` by ${route.hashPolicy?.[0]?.header?.headerName}` : "";
  const mirrors = (route.requestMirrorPolicies ?? []).map(({ cluster = "" }) => ` copies ${short(cluster)}`);
  return `${path}${conditions} → ${members?.join(" ") ?? short(route.cluster ?? "")}${hash}${mirrors.join("")}`;
}

/** What RTDS says, as Envoy adds it up. */
function weightsOf(prefix: string | undefined, { mesh }: World): (cluster: string) => number | undefined {
  return (cluster) => (prefix === undefined ? undefined : mesh.runtime.get(`${prefix}.${cluster}`));
}

/** "catalog/v2" of "outbound|80|v2|catalog.shop.svc.cluster.local". */
function short(cluster: string): string {
  const [, port, subset = "", host = ""] = cluster.split("|");
  const name = host.replace(".shop.svc.cluster.local", "");
  return `${name}${port === "80" ? "" : `:${port}`}${subset === "" ? "" : `/${subset}`}`;
}

/** A cluster of a shop's service. */
export function clusterOf(service: string, subset = "", port = 80): string {
  return outboundClusterName(port, subset, `${service}.shop.svc.cluster.local`);
}
