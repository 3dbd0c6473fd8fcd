// A route configuration of which some virtual hosts name clusters that are not usable yet → the one to send now:
// usable hosts new, the others as the proxy has them, so that one bad cluster never blocks another host.

import { composeRoutes } from "../envoy/composite.ts";
import type { CompositeResource, EncodedResource, ResourcePart } from "../envoy/config.ts";
import type { Gate, Readiness } from "./gate.ts";
import { type Held, isKnown, type TypeState } from "./proxy-state.ts";
import { headUnit, headVersion, isAwaitingTrial, isRejected, partUnit } from "./wanted.ts";

export interface RouteMix {
  /** The route configuration to send: the desired one itself when all of it may go. */
  readonly resource: EncodedResource;
  /** Whether a part was held back that may go once the proxy answers. */
  readonly isWaiting: boolean;
  /** Whether a part was held back at all. */
  readonly isPartial: boolean;
}

type CompositeRoutes = EncodedResource & { readonly composite: CompositeResource };

interface MixInput {
  readonly desired: CompositeRoutes;
  readonly state: TypeState;
  readonly gate: Gate;
}

/** Whether the planner can take the route configuration apart. */
export function isComposite(resource: EncodedResource): resource is CompositeRoutes {
  return resource.composite !== undefined;
}

/**
 * Mixes. "waiting" when the proxy holds something of unknown content and a part must wait, because that could not be kept;
 * "blocked" when nothing of it can be sent.
 */
export function routeMix({ desired, state, gate }: MixInput): RouteMix | "waiting" | "blocked" {
  const isAllWelcome = state.rejected.size === 0 && state.trials.length === 0;
  if (isAllWelcome && gate.isOpenFor(desired)) return { resource: desired, isWaiting: false, isPartial: false };
  if (!isAmongTrials(desired.name, state)) return "blocked";
  const accepted = state.accepted.get(desired.name);
  const before = isKnown(accepted) ? accepted.composite : undefined;
  const known = new Set(before?.parts);
  const held = new Map<string, Readiness | "refused" | "untried">();
  for (const part of desired.composite.parts) {
    const readiness = part.references.length === 0 ? "usable" : gate.readinessOf(part.references);
    const unit = partUnit(desired.name, part.name);
    if (isRejected(state, unit, part.version)) held.set(part.name, "refused");
    else if (readiness !== "usable") held.set(part.name, readiness);
    else if (isAwaitingTrial(state, unit) && !known.has(part)) held.set(part.name, "untried");
  }
  const isWaiting = [...held.values()].includes("waiting");
  if (isWaiting && accepted !== undefined && before === undefined) return "waiting";
  const head = headOf(desired, before, state);
  if (head === undefined) return "blocked";
  if (held.size === 0 && head === desired.composite.head) return { resource: desired, isWaiting: false, isPartial: false };
  const parts = mixedParts(desired.composite.parts, before?.parts ?? [], new Set(held.keys()));
  return { resource: composed(desired.name, { head, parts }, accepted), isWaiting, isPartial: true };
}

/** During trials only the resources that the tried units belong to are sent. */
function isAmongTrials(name: string, { trials: [group] }: TypeState): boolean {
  return group === undefined || group.some((unit) => unit === name || unit.startsWith(headUnit(name)));
}

/** The new head, or the proxy's while the new one is refused or not tried yet; undefined when there is none to send. */
function headOf(desired: CompositeRoutes, before: CompositeResource | undefined, state: TypeState): Uint8Array | undefined {
  const { head } = desired.composite;
  if (state.rejected.size === 0 && state.trials.length === 0) return head;
  const version = headVersion(head);
  const unit = headUnit(desired.name);
  if (before === undefined) return isRejected(state, unit, version) ? undefined : head;
  if (version === headVersion(before.head)) return before.head;
  return isRejected(state, unit, version) || isAwaitingTrial(state, unit) ? before.head : head;
}

/**
 * The parts to send, given the names to hold back. No domain may stand in two parts, or the proxy refuses them all: a new part
 * that takes a domain from one held back is held back too, and an old part stays while its domain's new part waits.
 */
export function mixedParts(
  desired: readonly ResourcePart[],
  before: readonly ResourcePart[],
  heldBack: ReadonlySet<string>,
): readonly ResourcePart[] {
  const old = new Map(before.map((part) => [part.name, part]));
  const desiredNames = new Set(desired.map(({ name }) => name));
  const held = new Set(heldBack);
  for (;;) {
    const waitingDomains = new Set(desired.filter(({ name }) => held.has(name)).flatMap(({ domains }) => domains));
    const isKept = ({ name, domains }: ResourcePart) =>
      held.has(name) || (!desiredNames.has(name) && domains.some((domain) => waitingDomains.has(domain)));
    const kept = before.filter(isKept);
    const taken = new Set(kept.flatMap(({ domains }) => domains));
    const clashing = desired.filter(({ name, domains }) => !held.has(name) && domains.some((domain) => taken.has(domain)));
    if (clashing.length === 0) {
      const inPlace = desired.flatMap((part) => (held.has(part.name) ? (old.get(part.name) ?? []) : part));
      return [...inPlace, ...kept.filter(({ name }) => !desiredNames.has(name))];
    }
    for (const { name } of clashing) held.add(name);
  }
}

/** The accepted resource itself when nothing would change: composing and hashing half a megabyte is not free. */
function composed(name: string, composite: CompositeResource, accepted: Held | undefined): EncodedResource {
  const before = isKnown(accepted) ? accepted.composite : undefined;
  const isSame =
    isKnown(accepted) &&
    before !== undefined &&
    before.head === composite.head &&
    before.parts.length === composite.parts.length &&
    before.parts.every((part, index) => part === composite.parts[index]);
  return isSame ? accepted : composeRoutes(name, composite.head, composite.parts);
}
