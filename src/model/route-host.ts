// Virtual hosts in two steps: first everything but weights (HostRelation), then with the weights their routes carry (RouteHost).
// Both are remembered, so one changed object costs the hosts it touches and nothing else.

import { sameItems } from "./memo.ts";
import type { RouteHost, RouteRule } from "./routes.ts";
import type { ResolvedRule, SplitSource } from "./virtual-services.ts";
import { signatureOf } from "./virtual-services.ts";
import type { SettledWeights } from "./weights.ts";

/** One http route as a host has it: with the gateway through which it is reached. */
export interface HostRule {
  readonly rule: ResolvedRule;
  readonly gateway: string;
}

/** A RouteHost whose splits have no weights yet. */
export interface HostRelation {
  readonly host: Omit<RouteHost, "rules" | "defaultRules">;
  readonly rules: readonly HostRule[];
  /** Of a service that has a release. */
  readonly defaults: readonly HostRule[];
  readonly splits: readonly SplitSource[];
  readonly signature: readonly unknown[];
}

/** Builds a relation. */
export function hostRelation(host: HostRelation["host"], rules: readonly HostRule[], defaults: readonly HostRule[] = []): HostRelation {
  const all = [...rules, ...defaults];
  const signature = [
    ...Object.values(host).map((value) => JSON.stringify(value)),
    rules.length,
    ...all.map(({ gateway }) => gateway),
    ...signatureOf(all.map(({ rule }) => rule)),
  ];
  return { host, rules, defaults, splits: all.flatMap(({ rule }) => rule.split ?? []), signature };
}

/** Remembers relations by their host's name (or another key): the same object as long as nothing but weights changed in it. */
export class RelationMemo {
  readonly #kept = new Map<string, HostRelation>();

  /** The remembered relation when it equals this one. */
  stable(next: HostRelation, key: string = next.host.name): HostRelation {
    const previous = this.#kept.get(key);
    if (previous !== undefined && sameItems(previous.signature, next.signature)) return previous;
    this.#kept.set(key, next);
    return next;
  }

  /** Forgets all hosts but these. */
  keepOnly(names: ReadonlySet<string>): void {
    if (this.#kept.size <= names.size) return;
    for (const name of this.#kept.keys()) if (!names.has(name)) this.#kept.delete(name);
  }
}

/** Remembers RouteHosts: the same object while relation and settled weights are the same. */
export class RouteHostMemo {
  readonly #hosts = new WeakMap<HostRelation, { readonly settled: readonly unknown[]; readonly host: RouteHost }>();

  get(relation: HostRelation, weights: SettledWeights): RouteHost {
    const settled = relation.splits.map(({ prefix }) => weights.get(prefix));
    const known = this.#hosts.get(relation);
    if (known !== undefined && sameItems(known.settled, settled)) return known.host;
    const defaults = relation.defaults.map((rule) => routeRule(rule, weights));
    const host: RouteHost = {
      ...relation.host,
      rules: relation.rules.map((rule) => routeRule(rule, weights)),
      ...(defaults.length === 0 ? {} : { defaultRules: defaults }),
    };
    this.#hosts.set(relation, { settled, host });
    return host;
  }
}

function routeRule({ rule, gateway }: HostRule, weights: SettledWeights): RouteRule {
  const { virtualService, route, targets, mirrors, split, release } = rule;
  const settled = split === undefined ? undefined : weights.get(split.prefix);
  return {
    virtualService,
    route,
    gateway,
    targets,
    mirrors,
    ...(split === undefined || settled === undefined ? {} : { split: { runtimeKeyPrefix: split.prefix, settledWeights: settled.weights } }),
    ...(release === undefined ? {} : { release }),
  };
}
