// VirtualServices, rules, releases and proxies → scopes, splits and the weights in motion: the part of a mesh that routes requests.

import type { DestinationRule } from "../api/networking/destination-rule.ts";
import type { Gateway } from "../api/networking/gateway.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import type { Directory } from "./client.ts";
import type { UsableCredentials } from "./gateway-tls.ts";
import { memoLast, stableList, stableMap } from "./memo.ts";
import type { Endpoint, Mesh, MeshProxy, Scope } from "./mesh.ts";
import { isHttp } from "./protocol.ts";
import { createProxyClasses } from "./proxy-classes.ts";
import type { ReleaseIndex } from "./releases/release-route.ts";
import type { ScopeInputs } from "./scopes.ts";
import { createSplitIndex } from "./splits.ts";
import type { SplitSource } from "./virtual-services.ts";
import { decidingLabels, virtualServiceIndex, virtualServiceKey } from "./virtual-services.ts";
import { byAge } from "./visibility.ts";
import type { SettledWeights } from "./weights.ts";
import { runtimeKeys, settle } from "./weights.ts";

/** The same objects as long as nothing in them changed. */
export interface TrafficInputs {
  readonly directory: Directory;
  readonly rules: readonly DestinationRule[];
  readonly gateways: readonly Gateway[];
  readonly virtualServices: readonly VirtualService[];
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  readonly telemetry: Mesh["listenerTelemetry"];
  readonly releases: ReleaseIndex;
  readonly credentials: UsableCredentials;
  /** The last mesh's. */
  readonly settled: SettledWeights;
}

/** What VirtualServices and releases make of a mesh. */
export type Traffic = Pick<Mesh, "scopes" | "splits" | "settled" | "runtime">;

/** Starts the part of the model that VirtualServices reach: classes of proxies, their routes, and weights. */
export function createTraffic(): (inputs: TrafficInputs) => Traffic {
  const scopeInputsOf = createScopeInputs();
  const classesOf = createProxyClasses();
  const splitsOf = createSplitIndex();
  const sourcesOf = memoLast(splitSources);
  const splitMap = stableMap<string, Traffic["splits"] extends ReadonlyMap<string, infer Split> ? Split : never>();
  const runtimeMap = stableMap<string, number>();
  const scopeMap = stableMap<string, Scope>();
  return ({ directory, rules, gateways, virtualServices, proxies, endpoints, telemetry, releases, credentials, settled: before }) => {
    const scopeInputs = scopeInputsOf({ directory, gateways, virtualServices, endpoints, credentials });
    const deciding = decidingLabels(virtualServices, rules, releases.structures);
    const classes = classesOf({ proxies, deciding, gateways: scopeInputs.gateways, telemetry });
    const sources = sourcesOf(...[...classes.values()].map(({ builder, example }) => builder.relate(scopeInputs, example)));
    const byKey = new Map(virtualServices.map((virtualService) => [virtualServiceKey(virtualService), virtualService]));
    const splits = splitMap(splitsOf({ sources, virtualServices: byKey, endpoints, shares: releases.shares }));
    const settled = settle(before, splits, { structural: false });
    const scopes = new Map<string, Scope>();
    for (const { builder, members } of classes.values()) {
      const scope = builder.scope(directory, settled);
      for (const id of members) scopes.set(id, scope);
    }
    return { scopes: scopeMap(scopes), splits, settled, runtime: runtimeMap(runtimeKeys(settled, splits)) };
  };
}

/** All splits by prefix; the classes' views of one split differ in nothing that counts here. */
function splitSources(...lists: readonly (readonly SplitSource[])[]): ReadonlyMap<string, SplitSource> {
  const sources = new Map<string, SplitSource>();
  for (const source of lists.flat()) if (!sources.has(source.prefix)) sources.set(source.prefix, source);
  return sources;
}

function createScopeInputs(): (
  inputs: Pick<TrafficInputs, "directory" | "gateways" | "virtualServices" | "endpoints" | "credentials">,
) => ScopeInputs {
  const oldest = memoLast((list: readonly VirtualService[]) => byAge(list));
  const oldestGateways = memoLast((list: readonly Gateway[]) => byAge(list));
  const l4List = stableList<VirtualService>();
  const indexOf = memoLast(virtualServiceIndex);
  const l4IndexOf = memoLast(virtualServiceIndex);
  const headlessMap = stableMap<string, readonly Endpoint[]>();
  return ({ directory, gateways, virtualServices, endpoints, credentials }) => {
    const sorted = oldest(virtualServices);
    const l4VirtualServices = l4List(sorted.filter(({ spec }) => spec.tcp.length > 0 || spec.tls.length > 0));
    const headless = [...directory.services.values()].filter(
      (service) => service.headless && service.ports.some(({ protocol }) => !isHttp(protocol)),
    );
    return {
      directory,
      index: indexOf(sorted, directory.exists),
      l4Index: l4IndexOf(l4VirtualServices, directory.exists),
      virtualServices: sorted,
      l4VirtualServices,
      headless: headlessMap(new Map(headless.map(({ id }) => [id, endpoints.get(id) ?? []]))),
      gateways: oldestGateways(gateways),
      credentials,
    };
  };
}
