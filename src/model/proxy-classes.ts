// Proxies → classes that see the same, each with the builder of its scope.

import type { Gateway } from "../api/networking/gateway.ts";
import { memoLast, stableList } from "./memo.ts";
import type { Mesh, MeshProxy } from "./mesh.ts";
import type { ScopeBuilder } from "./scopes.ts";
import { createScopeBuilder, scopeKeyOf } from "./scopes.ts";

/** Proxies that see the same, and how their scope is made. */
export interface ProxyClass {
  readonly builder: ScopeBuilder;
  readonly example: MeshProxy;
  readonly members: readonly string[];
}

/** Sorts proxies into classes; a class keeps its builder, and with it its memory, as long as it has members. */
export function createProxyClasses(): (inputs: {
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  readonly deciding: readonly string[];
  readonly gateways: readonly Gateway[];
  readonly telemetry: Mesh["listenerTelemetry"];
}) => ReadonlyMap<string, ProxyClass> {
  const builders = new Map<string, ScopeBuilder>();
  const decidingList = stableList<string>();
  const grouped = memoLast(
    (
      proxies: ReadonlyMap<string, MeshProxy>,
      deciding: readonly string[],
      gateways: readonly Gateway[],
      telemetry: Mesh["listenerTelemetry"],
    ) => {
      const groups = new Map<string, MeshProxy[]>();
      for (const proxy of proxies.values()) {
        const key = scopeKeyOf(proxy, { deciding, gateways, telemetry: telemetry.get(proxy.id) });
        groups.set(key, [...(groups.get(key) ?? []), proxy]);
      }
      return groups;
    },
  );
  return ({ proxies, deciding, gateways, telemetry }) => {
    const names = decidingList(deciding);
    const groups = grouped(proxies, names, gateways, telemetry);
    for (const key of builders.keys()) if (!groups.has(key)) builders.delete(key);
    return new Map(
      [...groups].flatMap(([key, members]) => {
        const [example] = members;
        if (example === undefined) return [];
        const builder = builders.get(key) ?? createScopeBuilder(key, example, { deciding: names, telemetry: telemetry.get(example.id) });
        builders.set(key, builder);
        return [[key, { builder, example, members: members.map(({ id }) => id) }] as const];
      }),
    );
  };
}
