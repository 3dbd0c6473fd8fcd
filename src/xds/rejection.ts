// A NACK → which content the proxy refuses. From its words where Envoy names the resource, else by halving: the changed
// units are sent again in groups until the refused one stands alone.

import type { EncodedResource, ResourcePart, ResourceType } from "../envoy/config.ts";
import { contentHash } from "../lib/hash.ts";
import { dueAfter, type Held, isKnown, type Outstanding, type Rejection, type TypeState } from "./proxy-state.ts";
import { headUnit, headVersion, partUnit } from "./wanted.ts";

/** A message longer than this is cut: it may quote the whole configuration. */
const longestMessage = 2000;

const rememberedGroups = 256;

/** The smallest content that can be held back: a resource, or a part of a composite one. */
interface Unit {
  readonly key: string;
  readonly version: string;
  readonly sources: readonly string[];
}

/** The state after the proxy refused a response. */
export function refused(state: TypeState, answered: Outstanding, nack: { type: ResourceType; message: string }): TypeState {
  const units = [...answered.resources.values()].flatMap((resource) => changedUnits(resource, state.accepted.get(resource.name)));
  const base = { ...state, outstanding: undefined, settled: undefined, possible: possibleAfter(state, answered, nack.type) };
  // Nothing new was in it: sending the same again would be refused again, so the answer counts as given.
  if (units.length === 0)
    return { ...base, due: dueAfter(state.due, answered), trials: answered.isTrial ? state.trials.slice(1) : state.trials };
  const group = contentHash(JSON.stringify(units.map(({ key, version }) => [key, version]).sort()));
  const isInseparable = units.length === 1 || state.refusedGroups.has(group);
  const culprits = isInseparable ? units : namedUnits(units, nack);
  const rest = answered.isTrial ? state.trials.slice(1) : state.trials;
  if (culprits.length === 0) return { ...base, trials: [...halves(units), ...rest], refusedGroups: withGroup(state.refusedGroups, group) };
  const rejected = new Map(state.rejected);
  for (const { key, version, sources } of culprits) {
    rejected.set(key, { type: nack.type, unit: key, version, message: nack.message.slice(0, longestMessage), sources } satisfies Rejection);
  }
  const good = units.filter((unit) => !culprits.includes(unit)).map(({ key }) => key);
  return { ...base, rejected, trials: good.length === 0 ? rest : [good, ...rest] };
}

/**
 * Clusters and listeners of a refused response may be old or new. A single refused route configuration is certainly the old one,
 * but of several the first ones may have been taken. Names without content stand for removals that may not have happened.
 */
function possibleAfter(state: TypeState, answered: Outstanding, type: ResourceType): TypeState["possible"] {
  const certain = type !== "cds" && type !== "lds" && answered.resources.size + answered.removed.length === 1;
  if (certain) return state.possible;
  const possible = new Map(state.possible);
  for (const [name, resource] of answered.resources) possible.set(name, [...(possible.get(name) ?? []), resource]);
  for (const name of answered.removed) if (!possible.has(name)) possible.set(name, []);
  return possible;
}

function changedUnits(sent: EncodedResource, accepted: Held | undefined): readonly Unit[] {
  if (accepted?.version === sent.version) return [];
  const { composite, sources } = sent;
  if (composite === undefined) return [{ key: sent.name, version: sent.version, sources }];
  const before = isKnown(accepted) ? accepted.composite : undefined;
  const known = new Set<ResourcePart>(before?.parts);
  const versions = new Map(before?.parts.map((part) => [part.name, part.version]));
  const parts = composite.parts.filter((part) => !known.has(part) && versions.get(part.name) !== part.version);
  const units = parts.map((part) => ({ key: partUnit(sent.name, part.name), version: part.version, sources: part.sources }));
  const version = headVersion(composite.head);
  const sameHead = before !== undefined && headVersion(before.head) === version;
  if (!sameHead) return [{ key: headUnit(sent.name), version, sources }, ...units];
  // Only parts were taken away: the whole is then the smallest thing that can be held back.
  return units.length > 0 ? units : [{ key: sent.name, version: sent.version, sources }];
}

/** Envoy names each bad cluster and listener: "Error adding/updating cluster(s) a: why, b: why". Other types' words are no proof. */
function namedUnits(units: readonly Unit[], nack: { type: ResourceType; message: string }): readonly Unit[] {
  if (nack.type !== "cds" && nack.type !== "lds") return [];
  if (!nack.message.startsWith("Error adding/updating")) return [];
  return units.filter(({ key }) => mentions(nack.message, key));
}

/** Bounded: forgetting only costs another round of trials. */
function withGroup(groups: ReadonlySet<string>, group: string): ReadonlySet<string> {
  return new Set([...(groups.size < rememberedGroups ? groups : []), group]);
}

function mentions(message: string, name: string): boolean {
  for (let at = message.indexOf(`${name}: `); at >= 0; at = message.indexOf(`${name}: `, at + 1)) {
    if (at > 0 && (message[at - 1] === " " || message[at - 1] === "\n")) return true;
  }
  return false;
}

function halves(units: readonly Unit[]): readonly (readonly string[])[] {
  const keys = units.map(({ key }) => key);
  const middle = Math.ceil(keys.length / 2);
  return [keys.slice(0, middle), keys.slice(middle)];
}
