// Changing what servers accept without a failed request: servers accept both, then clients change over, then servers narrow. Each step is
// for all proxies to acknowledge. State and wish in, what to push now out. Pure; the shell says when everybody acknowledged.

import type { EffectiveMtlsMode, WorkloadMtls } from "./policies.ts";
import { mtlsModeOf } from "./policies.ts";

/** One workload's two sides. */
export interface MtlsPhase {
  /** What its listeners accept. */
  readonly server: WorkloadMtls;
  /** What clients act upon. */
  readonly client: WorkloadMtls;
}

interface ModePhase {
  readonly server: EffectiveMtlsMode;
  readonly client: EffectiveMtlsMode;
}

/**
 * What to push, given what every proxy has acknowledged; `acknowledged` undefined means that no client knows the workload yet.
 * Equal to `acknowledged` with both sides at the wish when there is nothing more to do.
 */
export function decideMtlsPhase(wish: WorkloadMtls, acknowledged: MtlsPhase | undefined): MtlsPhase {
  return acknowledged === undefined ? { server: wish, client: wish } : phaseOf(wish, acknowledged, decideMode);
}

/**
 * What to push while `pushed` is on its way: some proxies have it and some don't, so clients stay as they were told, and servers accept both
 * unless they were told what is wished. Whatever the order in which proxies follow, a server that accepts both refuses nobody.
 */
export function decideHeldPhase(wish: WorkloadMtls, pushed: MtlsPhase | undefined): MtlsPhase {
  return pushed === undefined ? { server: wish, client: wish } : phaseOf(wish, pushed, holdMode);
}

/** Decides each port's mode, and that of all other ports. */
function phaseOf(wish: WorkloadMtls, last: MtlsPhase, decide: (wish: EffectiveMtlsMode, last: ModePhase) => ModePhase): MtlsPhase {
  const numbers = [wish, last.server, last.client].flatMap(({ ports }) => [...ports.keys()]);
  const ports = [...new Set(numbers)].toSorted((a, b) => a - b);
  const at = (port: number) =>
    decide(mtlsModeOf(wish, port), { server: mtlsModeOf(last.server, port), client: mtlsModeOf(last.client, port) });
  const rest = decide(wish.mode, { server: last.server.mode, client: last.client.mode });
  return {
    server: { mode: rest.server, ports: new Map(ports.map((port) => [port, at(port).server])) },
    client: { mode: rest.client, ports: new Map(ports.map((port) => [port, at(port).client])) },
  };
}

/** Whether clients and servers have arrived at the wish. */
export function isMtlsSettled(wish: WorkloadMtls, { server, client }: MtlsPhase): boolean {
  return isSameMtls(wish, server) && isSameMtls(wish, client);
}

/** Whether every port has the same mode in both. */
export function isSameMtls(a: WorkloadMtls, b: WorkloadMtls): boolean {
  if (a.mode !== b.mode) return false;
  return [...a.ports.keys(), ...b.ports.keys()].every((port) => mtlsModeOf(a, port) === mtlsModeOf(b, port));
}

/** Whether a server accepts both at some port where it did not before; false while nothing was known of it. */
export function isMtlsWidening(before: WorkloadMtls | undefined, now: WorkloadMtls): boolean {
  if (before === undefined) return false;
  const opens = (then: EffectiveMtlsMode, next: EffectiveMtlsMode) => next === "PERMISSIVE" && then !== "PERMISSIVE";
  const ports = [...before.ports.keys(), ...now.ports.keys()];
  return opens(before.mode, now.mode) || ports.some((port) => opens(mtlsModeOf(before, port), mtlsModeOf(now, port)));
}

function decideMode(wish: EffectiveMtlsMode, { server, client }: ModePhase): ModePhase {
  // The clients have come over, and everything that was pushed with them (DestinationRules): servers may narrow.
  if (client === wish) return { server: wish, client };
  if (!accepts(server, wish)) return { server: "PERMISSIVE", client };
  return { server: server === wish ? wish : "PERMISSIVE", client: wish };
}

function holdMode(wish: EffectiveMtlsMode, { server, client }: ModePhase): ModePhase {
  return { server: server === wish ? server : "PERMISSIVE", client };
}

/** Whether a server in one mode takes what clients send to a server in the other. */
function accepts(server: EffectiveMtlsMode, wish: EffectiveMtlsMode): boolean {
  return server === "PERMISSIVE" || (server === "DISABLE") === (wish === "DISABLE");
}
