// Why something can't be sent before a user corrects an object: it names a cluster that the proxy refused, or is only asked for by what
// was refused. Such a thing is a consequence of the refusal, nothing to wait for. Pure.

import type { EncodedResource, ProxyConfig, ResourceReference, ResourceType } from "../envoy/config.ts";
import { type Gate, gateOf } from "./gate.ts";
import type { ProxyState, Rejection } from "./proxy-state.ts";
import { resourceSetOf } from "./resource-types.ts";
import { isRejected, partUnit } from "./wanted.ts";

/** A resource, or one part of a composite one, that stays out until `refusal` is corrected. */
export interface HeldBack {
  readonly resource: string;
  readonly refusal: Rejection;
  /** The objects it came from. */
  readonly sources: readonly string[];
}

interface Subject {
  readonly type: ResourceType;
  readonly name: string;
  readonly resource: EncodedResource | undefined;
}

/** What of a resource is held back by refusals; empty when it still waits for an answer of the proxy, or for anything else. */
export function heldBackOf(state: ProxyState, config: ProxyConfig, subject: Subject): readonly HeldBack[] {
  const { type, name, resource } = subject;
  if (!hasRefusals(state) || state.types[type].outstanding !== undefined) return [];
  const gate = gateOf(state, config);
  const isAsked = state.types[type].wildcard || state.types[type].names.has(name);
  if (!isAsked) {
    const refusal = refusalOfAllThatName(state, config, { gate, type, name });
    return refusal === undefined ? [] : [{ resource: name, refusal, sources: resource?.sources ?? [] }];
  }
  if (resource === undefined || !isGated(type)) return [];
  const parts = resource.composite?.parts.map((part) => ({ ...part, resource: `${name}, virtual host ${part.name}` })) ?? [];
  const units = resource.composite === undefined ? [{ ...resource, resource: name }] : parts;
  if (units.some(({ references }) => gate.readinessOf(references) === "waiting")) return [];
  return units
    .filter((unit) => resource.composite === undefined || !isRejected(state.types[type], partUnit(name, unit.name), unit.version))
    .flatMap(({ references, sources, resource: shown }) => {
      const refusal = refusalAmong(state, config, { gate, references });
      return refusal === undefined ? [] : [{ resource: shown, refusal, sources }];
    });
}

/** Only clusters, their secrets and listeners have others depend on them. */
function hasRefusals({ types }: ProxyState): boolean {
  return types.cds.rejected.size > 0 || types.sds.rejected.size > 0 || types.lds.rejected.size > 0;
}

/** Only what carries traffic waits for its clusters. */
function isGated(type: ResourceType): boolean {
  return type === "lds" || type === "rds" || type === "ecds";
}

interface Question {
  readonly gate: Gate;
  readonly references: readonly ResourceReference[];
}

/** The refusal that makes one of the named clusters unusable: its own, that of a secret, or through aggregates. */
function refusalAmong(state: ProxyState, config: ProxyConfig, { gate, references }: Question): Rejection | undefined {
  const seen = new Set<string>();
  const queue = references.filter(({ type }) => type === "cds");
  for (let reference = queue.shift(); reference !== undefined; reference = queue.shift()) {
    const { name } = reference;
    const cluster = config.clusters.get(name);
    if (seen.has(name) || cluster === undefined || gate.readinessOf([reference]) !== "blocked") continue;
    seen.add(name);
    const refusal = refusalOf(state, { type: "cds", resource: cluster }) ?? refusalOfSecrets(state, config, cluster);
    if (refusal !== undefined) return refusal;
    queue.push(...cluster.references.filter(({ type }) => type === "cds"));
  }
  return undefined;
}

function refusalOfSecrets(state: ProxyState, { secrets }: ProxyConfig, { references }: EncodedResource): Rejection | undefined {
  const named = references.flatMap(({ type, name }) => (type === "sds" ? (secrets.get(name) ?? []) : []));
  return named.map((resource) => refusalOf(state, { type: "sds", resource })).find((refusal) => refusal !== undefined);
}

/** The refusal of a resource's very content. */
function refusalOf(state: ProxyState, subject: { readonly type: ResourceType; readonly resource: EncodedResource }): Rejection | undefined {
  const rejection = state.types[subject.type].rejected.get(subject.resource.name);
  return rejection?.version === subject.resource.version ? rejection : undefined;
}

interface Named {
  readonly gate: Gate;
  readonly type: ResourceType;
  readonly name: string;
}

/** A proxy asks for endpoints, secrets and routes once it has a cluster or listener that names them: never, when all were refused. */
function refusalOfAllThatName(state: ProxyState, config: ProxyConfig, { gate, type, name }: Named): Rejection | undefined {
  let first: Rejection | undefined;
  for (const owner of ["cds", "lds"] as const) {
    for (const resource of resourceSetOf(config, owner).values()) {
      if (!resource.references.some((reference) => reference.type === type && reference.name === name)) continue;
      const behind = owner === "lds" ? refusalAmong(state, config, { gate, references: resource.references }) : undefined;
      const refusal = refusalOf(state, { type: owner, resource }) ?? behind;
      if (refusal === undefined) return undefined;
      first ??= refusal;
    }
  }
  return first;
}
