import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideRootRotation, type RootRotation, type RotationEvent, signingRoot, steadyRoot, trustedRoots } from "./root-rotation.ts";
import { decideIntermediateRenewal, decideRenewal, decideRootRenewal, renewalTimeOf } from "./rotation.ts";

const stateAfter = (state: RootRotation, ...events: readonly RotationEvent[]) => events.reduce(decideRootRotation, state);
const ack = (step: number): RotationEvent => ({ kind: "acknowledged", step });
const start: RotationEvent = { kind: "start", next: "new" };

describe("root rotation", () => {
  it("goes old, both, new leaves, new", () => {
    const steps = [[start], [start, ack(1)], [start, ack(1), ack(2)], [start, ack(1), ack(2), ack(3)]].map((events) =>
      stateAfter(steadyRoot("old"), ...events),
    );
    expect(steps.map((state) => [state.phase, signingRoot(state), trustedRoots(state)])).toEqual([
      ["distributing", "old", ["old", "new"]],
      ["reissuing", "new", ["old", "new"]],
      ["retiring", "new", ["new"]],
      ["steady", "new", ["new"]],
    ]);
  });

  it("waits for the acknowledgement of the step it is in", () => {
    const state = stateAfter(steadyRoot("old"), start);
    for (const event of [ack(0), ack(2), ack(Number.NaN), start, { kind: "start", next: "third" } as const])
      expect(decideRootRotation(state, event)).toBe(state);
    expect(decideRootRotation(steadyRoot("old"), ack(0))).toEqual(steadyRoot("old"));
    expect(decideRootRotation(steadyRoot("old"), { kind: "start", next: "old" })).toEqual(steadyRoot("old"));
  });

  it("can be called off until the old root is dropped", () => {
    const abort: RotationEvent = { kind: "abort" };
    expect(stateAfter(steadyRoot("old"), start, abort)).toEqual({ phase: "steady", step: 2, current: "old" });
    const returning = stateAfter(steadyRoot("old"), start, ack(1), abort);
    expect([returning.phase, signingRoot(returning), trustedRoots(returning)]).toEqual(["returning", "old", ["old", "new"]]);
    expect(decideRootRotation(returning, ack(3))).toMatchObject({ phase: "steady", current: "old" });
    const retiring = stateAfter(steadyRoot("old"), start, ack(1), ack(2));
    expect(decideRootRotation(retiring, abort)).toBe(retiring);
  });

  it("never lets two proxies meet that don't trust each other, in any history and however late they are", () => {
    const world = fc.array(fc.tuple(fc.constantFrom("start", "abort", "bundle", "leaf", "ack"), fc.nat(4)), { maxLength: 80 });
    fc.assert(
      fc.property(world, (moves) => {
        const proxies = Array.from({ length: 5 }, () => ({ trusts: ["root0"] as readonly string[], leaf: "root0" }));
        let state = steadyRoot("root0");
        moves.forEach(([move, index], number) => {
          const proxy = proxies[index];
          // Bundle and leaf are two secrets: they arrive in any order, one without the other.
          if (proxy && move === "bundle") proxy.trusts = trustedRoots(state);
          if (proxy && move === "leaf") proxy.leaf = signingRoot(state);
          if (move === "start") state = decideRootRotation(state, { kind: "start", next: `root${number + 1}` });
          if (move === "abort") state = decideRootRotation(state, { kind: "abort" });
          if (move === "ack" && proxies.every((one) => hasAll(one, state))) state = decideRootRotation(state, ack(state.step));
          phases.add(state.phase);
          const strangers = proxies.filter(({ leaf }) => proxies.some(({ trusts }) => !trusts.includes(leaf)));
          if (strangers.length > 0) throw new Error(`${strangers.length} proxies are refused in ${JSON.stringify(state)}`);
        });
      }),
      { seed: 4, numRuns: 3000, examples: [[fullRotation]] },
    );
    expect([...phases].sort()).toEqual(["distributing", "reissuing", "retiring", "returning", "steady"]);
  });
});

const phases = new Set<string>();
const everybody = [0, 1, 2, 3, 4].flatMap((index): [string, number][] => [
  ["bundle", index],
  ["leaf", index],
]);
const round: [string, number][] = [...everybody, ["ack", 0]];
const fullRotation: [string, number][] = [["start", 0], ...round, ...round, ...round, ["start", 0], ...round, ["abort", 0], ...round];

function hasAll({ trusts, leaf }: { readonly trusts: readonly string[]; readonly leaf: string }, state: RootRotation): boolean {
  return leaf === signingRoot(state) && trusts.join() === trustedRoots(state).join();
}

describe("renewal", () => {
  const life = { issuedAtMs: 1_000_000, notBeforeMs: 880_000, notAfterMs: 1_100_000 };

  it("is at half the life, one percent around it", () => {
    expect(renewalTimeOf(life, 0.5)).toBe(1_050_000);
    expect(renewalTimeOf(life, 0)).toBe(1_049_000);
    expect(renewalTimeOf(life, 1)).toBe(1_051_000);
    expect(decideRenewal(life, 0.5, 1_049_999)).toEqual({ kind: "wait", untilMs: 1_050_000 });
    expect(decideRenewal(life, 0.5, 1_050_000)).toEqual({ kind: "renew", reason: "due" });
    expect(decideIntermediateRenewal(life, 1_050_000).kind).toBe("renew");
  });

  it("is at once when the clock was set back before the certificate", () => {
    expect(decideRenewal(life, 0.5, 879_999)).toEqual({ kind: "renew", reason: "not yet valid" });
  });

  it("of a root begins with a fifth of its life left", () => {
    const root = { issuedAtMs: 0, notBeforeMs: 0, notAfterMs: 1000 };
    expect(decideRootRenewal(root, 799)).toEqual({ kind: "wait", untilMs: 800 });
    expect(decideRootRenewal(root, 800).kind).toBe("renew");
  });
});
