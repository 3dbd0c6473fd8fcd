// Which rule sent a request where it went: a client's proxy's record and the mesh → a sentence and a place. Pure.

import {
  allowAnyVirtualHostName,
  blackHoleClusterName,
  blockAllVirtualHostName,
  defaultRouteName,
  misdirectedVirtualHostName,
  parseOutboundClusterName,
  passthroughClusterName,
} from "../../../envoy/names.ts";
import type { TapRule } from "../../../http/tap-contract.ts";
import { memoObject } from "../../../model/memo.ts";
import type { Mesh, Scope } from "../../../model/mesh.ts";
import type { RouteRule } from "../../../model/routes.ts";
import { weightTotal } from "../../../model/weights.ts";
import type { TapRecord } from "../../../telemetry/tap-record.ts";
import { parseRuleText, type RulePlace } from "../../../translate/route/rule-metadata.ts";

/** The rule; undefined when the record doesn't tell, as a server's. `scope` is the client's proxy's. */
export function tapRuleOf(record: TapRecord, scope: Scope | undefined, mesh: Pick<Mesh, "splits" | "services">): TapRule | undefined {
  if (record.reporter === "destination") return undefined;
  const place = parseRuleText(record.rule);
  if (place !== undefined) return virtualServiceRule(record, place, { scope, mesh });
  return connectionRule(record.cluster) ?? fixedRule(record) ?? serviceRule(record, mesh);
}

interface Places {
  readonly scope: Scope | undefined;
  readonly mesh: Pick<Mesh, "splits">;
}

function virtualServiceRule({ cluster, route }: TapRecord, place: RulePlace, { scope, mesh }: Places): TapRule {
  const { namespace, name, http, match } = place;
  const rules = scope === undefined ? [] : (rulesOf(scope).get(`${namespace}/${name} ${http}`) ?? []);
  const rule = rules.find(({ targets }) => targets.some((target) => target.cluster === cluster));
  const weightPercent = rule === undefined ? undefined : weightOf(rule, cluster, mesh);
  const subset = parseOutboundClusterName(cluster)?.subset;
  const drawn = subset ? ` → ${subset}` : "";
  const share = weightPercent === undefined ? "" : ` (${weightPercent} %)`;
  return {
    text: `VirtualService ${namespace}/${name} http[${http}]${route === "" ? "" : ` "${route}"`}${drawn}${share}`,
    resource: `VirtualService ${namespace}/${name}`,
    path: `spec.http[${http}]${match === undefined ? "" : `.match[${match}]`}`,
    ...(route === "" ? {} : { name: route }),
    ...(subset ? { subset } : {}),
    ...(weightPercent === undefined ? {} : { weightPercent }),
  };
}

/** Rules of a class of proxies by VirtualService and index: one for each port of the service. */
const rulesOf = memoObject((scope: Scope): ReadonlyMap<string, readonly RouteRule[]> => {
  const rules = scope.tables.flatMap(({ hosts }) => hosts.flatMap((host) => host.rules));
  return Map.groupBy(rules, ({ virtualService: { metadata, spec }, route }) => {
    return `${metadata.namespace}/${metadata.name} ${spec.http.indexOf(route)}`;
  });
});

/** The share that the drawn cluster has now; undefined where nothing is drawn, or the rule has changed since. */
function weightOf({ targets, split, route }: RouteRule, cluster: string, { splits }: Pick<Mesh, "splits">): number | undefined {
  const index = targets.findIndex((target) => target.cluster === cluster);
  if (index < 0 || targets.length < 2) return undefined;
  const current = split === undefined ? undefined : splits.get(split.runtimeKeyPrefix)?.weights[index];
  if (current !== undefined) return (current / weightTotal) * 100;
  const sum = route.route.reduce((total, { weight }) => total + (weight ?? 0), 0);
  return sum === 0 ? undefined : Math.round(((route.route[index]?.weight ?? 0) / sum) * 10_000) / 100;
}

/** "split|5432|tcp.0|db.data": a weighted tcp or tls route, which has a cluster of its own. */
function connectionRule(cluster: string): TapRule | undefined {
  const [kind, , route = "", owner = ""] = cluster.split("|");
  const [protocol, index] = route.split(".");
  const dot = owner.lastIndexOf(".");
  if (kind !== "split" || index === undefined || dot < 0) return undefined;
  const resource = `VirtualService ${owner.slice(dot + 1)}/${owner.slice(0, dot)}`;
  return { text: `${resource} ${protocol}[${index}]`, resource, path: `spec.${protocol}[${index}]` };
}

const fixed: Readonly<Record<string, string>> = {
  [allowAnyVirtualHostName]: "outboundTrafficPolicy ALLOW_ANY: to where the client connected",
  [blockAllVirtualHostName]: "outboundTrafficPolicy REGISTRY_ONLY: refused, no host of the mesh",
  [misdirectedVirtualHostName]: "a name that another server of the gateway has: 421",
};

const fixedClusters: Readonly<Record<string, string>> = {
  [passthroughClusterName]: fixed[allowAnyVirtualHostName] ?? "",
  [blackHoleClusterName]: fixed[blockAllVirtualHostName] ?? "",
};

function fixedRule({ route, cluster, flags }: TapRecord): TapRule | undefined {
  const text = Object.hasOwn(fixed, route) ? fixed[route] : Object.hasOwn(fixedClusters, cluster) ? fixedClusters[cluster] : undefined;
  if (text !== undefined) return { text };
  return flags.includes("NR") ? { text: "no route: no rule takes this request" } : undefined;
}

/** A host without VirtualService, or a connection: the service, and the subset if a tcp route named one. */
function serviceRule({ cluster, route, details }: TapRecord, { services }: Pick<Mesh, "services">): TapRule | undefined {
  const parsed = parseOutboundClusterName(cluster);
  if (parsed === undefined) return details === "" || route !== "" ? undefined : { text: `answered by the proxy: ${details}` };
  const { host, port, subset } = parsed;
  const service = [...services.values()].find(({ hostname }) => hostname === host);
  const resource = service?.source ?? `host ${host}`;
  const how = route === defaultRouteName ? "no VirtualService" : "";
  const drawn = subset === "" ? "" : ` → ${subset}`;
  return {
    text: `${resource} port ${port}${drawn}${how === "" ? "" : ` (${how})`}`,
    ...(service === undefined ? {} : { resource }),
    ...(subset === "" ? {} : { subset }),
  };
}
