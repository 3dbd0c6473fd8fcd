// While servers begin to accept both, clients go on as before: what DestinationRules newly say of mutual TLS waits. Rules in, rules out. Pure.

import type { ClientTlsSettings, DestinationRule, TrafficPolicy } from "../api/networking/destination-rule.ts";
import { memoLast } from "./memo.ts";
import { compare } from "./visibility.ts";

export interface Widening {
  /** Servers only now begin to accept both. */
  readonly isWidening: boolean;
  /** Something pushed is still on its way, perhaps servers that begin to accept both, behind whatever came after. */
  readonly isInFlight: boolean;
}

/** Remembers what acts: the newest rules, unless servers are widening, from when on rules wait until everything pushed has arrived. */
export function createRuleHold(): (newest: readonly DestinationRule[], widening: Widening) => readonly DestinationRule[] {
  const held = memoLast(withHeldTls);
  let acting: readonly DestinationRule[] | undefined;
  let isHolding = false;
  return (newest, { isWidening, isInFlight }) => {
    isHolding = isWidening || (isHolding && isInFlight);
    acting = isHolding && acting !== undefined ? held(acting, newest) : newest;
    return acting;
  };
}

/**
 * The rules of now with the mutual TLS of before (ISTIO_MUTUAL, DISABLE, or neither); all else acts at once. A rule with TLS that was
 * deleted stays meanwhile. The same list when nothing is held.
 */
export function withHeldTls(before: readonly DestinationRule[], now: readonly DestinationRule[]): readonly DestinationRule[] {
  const old = new Map(before.map((rule) => [keyOf(rule), rule]));
  const held = now.map((rule) => heldRule(old.get(keyOf(rule)), rule));
  const names = new Set(now.map(keyOf));
  const gone = before.filter((rule) => !names.has(keyOf(rule)) && meshTlsOf(rule).length > 0);
  if (gone.length === 0 && held.every((rule, index) => rule === now[index])) return now;
  return [...held, ...gone].toSorted((a, b) => compare(keyOf(a), keyOf(b)));
}

function keyOf({ metadata }: DestinationRule): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function heldRule(old: DestinationRule | undefined, rule: DestinationRule): DestinationRule {
  if (JSON.stringify(old === undefined ? [] : meshTlsOf(old)) === JSON.stringify(meshTlsOf(rule))) return rule;
  const subsets = rule.spec.subsets.map((subset) => ({
    ...subset,
    trafficPolicy: withTlsOf(old?.spec.subsets.find(({ name }) => name === subset.name)?.trafficPolicy, subset.trafficPolicy),
  }));
  return { ...rule, spec: { ...rule.spec, trafficPolicy: withTlsOf(old?.spec.trafficPolicy, rule.spec.trafficPolicy), subsets } };
}

function withTlsOf(old: TrafficPolicy | undefined, now: TrafficPolicy | undefined): TrafficPolicy | undefined {
  if (now === undefined) return old?.tls === undefined ? undefined : { tls: old.tls, portLevelSettings: [] };
  const portLevelSettings = now.portLevelSettings.map((settings) => ({
    ...settings,
    tls: old?.portLevelSettings.find(({ port }) => port.number === settings.port.number)?.tls,
  }));
  return { ...now, tls: old?.tls, portLevelSettings };
}

/** Every place of a rule that says something of mutual TLS, and what. */
function meshTlsOf({ spec }: DestinationRule): readonly (readonly [place: string, tls: ClientTlsSettings])[] {
  const subsets = spec.subsets.flatMap(({ name, trafficPolicy }) => tlsOf(`subset ${name}`, trafficPolicy));
  return [...tlsOf("", spec.trafficPolicy), ...subsets].filter(([, { mode }]) => mode === "ISTIO_MUTUAL" || mode === "DISABLE");
}

function tlsOf(place: string, policy: TrafficPolicy | undefined): readonly (readonly [string, ClientTlsSettings])[] {
  if (policy === undefined) return [];
  const all = [
    [place, policy.tls] as const,
    ...policy.portLevelSettings.map(({ port, tls }) => [`${place} port ${port.number}`, tls] as const),
  ];
  return all.flatMap(([where, tls]) => (tls === undefined ? [] : [[where, tls] as const]));
}
