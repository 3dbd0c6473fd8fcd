import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideHeldPhase, decideMtlsPhase, isMtlsSettled, type MtlsPhase } from "./mtls-phases.ts";
import type { EffectiveMtlsMode, WorkloadMtls } from "./policies.ts";

const modes: readonly EffectiveMtlsMode[] = ["DISABLE", "PERMISSIVE", "STRICT"];
const all = (mode: EffectiveMtlsMode): WorkloadMtls => ({ mode, ports: new Map() });
const settled = (mode: EffectiveMtlsMode): MtlsPhase => ({ server: all(mode), client: all(mode) });

/** Pushes until nothing is left to do. */
function stepsFrom(start: MtlsPhase, wish: WorkloadMtls): readonly MtlsPhase[] {
  const steps = [start];
  for (let count = 0; count < 10; count += 1) {
    const last = steps.at(-1) ?? start;
    if (isMtlsSettled(wish, last)) return steps;
    steps.push(decideMtlsPhase(wish, last));
  }
  throw new Error(`does not arrive: ${JSON.stringify(steps)}`);
}

/** What a client sends to a server it believes to be in this mode (auto mTLS). */
const sends = (believed: EffectiveMtlsMode) => (believed === "DISABLE" ? "plaintext" : "tls");
const takes = (mode: EffectiveMtlsMode, what: "plaintext" | "tls") => mode === "PERMISSIVE" || (mode === "STRICT") === (what === "tls");

const changes = modes.flatMap((from) => modes.filter((to) => to !== from).map((to) => [from, to] as const));

describe("a change of mode", () => {
  test.each(changes)("%s to %s refuses no client, whatever of a step has arrived where", (from, to) => {
    const steps = stepsFrom(settled(from), all(to));
    for (const [index, next] of steps.slice(1).entries()) {
      const before = steps[index] ?? next;
      for (const server of [before.server.mode, next.server.mode]) {
        for (const client of [before.client.mode, next.client.mode]) expect(takes(server, sends(client))).toBe(true);
      }
    }
    expect(steps.at(-1)).toEqual(settled(to));
  });

  test("goes servers accept both, clients, servers narrow", () => {
    const modesOf = (steps: readonly MtlsPhase[]) => steps.map(({ server, client }) => `${server.mode} ${client.mode}`);
    expect(modesOf(stepsFrom(settled("STRICT"), all("DISABLE")))).toEqual([
      "STRICT STRICT",
      "PERMISSIVE STRICT",
      "PERMISSIVE DISABLE",
      "DISABLE DISABLE",
    ]);
    // What else was pushed with the wish (a DestinationRule that ends plaintext) has arrived before servers refuse plaintext.
    expect(modesOf(stepsFrom(settled("PERMISSIVE"), all("STRICT")))).toEqual([
      "PERMISSIVE PERMISSIVE",
      "PERMISSIVE STRICT",
      "STRICT STRICT",
    ]);
  });

  test("a wish that changes half way is followed from there", () => {
    const halfway = decideMtlsPhase(all("DISABLE"), settled("STRICT"));
    expect(stepsFrom(halfway, all("STRICT")).slice(1)).toEqual([settled("STRICT")]);
  });
});

test("no history of wishes refuses a client, wherever servers and clients are between two acknowledgements", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...modes),
      fc.array(fc.constantFrom(...modes, "push" as const, "acknowledged" as const)),
      (first, events) => {
        let wish = first;
        let acknowledged = settled(first);
        let pushed: MtlsPhase | undefined;
        let anywhere = [acknowledged];
        for (const event of events) {
          if (event === "acknowledged") {
            acknowledged = pushed ?? acknowledged;
            anywhere = [acknowledged];
            pushed = undefined;
          } else if (event === "push") {
            pushed = pushed === undefined ? decideMtlsPhase(all(wish), acknowledged) : decideHeldPhase(all(wish), pushed);
            anywhere.push(pushed);
          } else wish = event;
          for (const { server } of anywhere) {
            for (const { client } of anywhere) expect(takes(server.mode, sends(client.mode))).toBe(true);
          }
        }
      },
    ),
  );
});

test("servers open at once while a step is on its way, and everything else waits for it", () => {
  const narrowing = { server: all("STRICT"), client: all("STRICT") };
  expect(decideHeldPhase(all("PERMISSIVE"), narrowing)).toEqual({ server: all("PERMISSIVE"), client: all("STRICT") });
  const telling = { server: all("PERMISSIVE"), client: all("STRICT") };
  expect(decideHeldPhase(all("DISABLE"), telling)).toEqual(telling);
});

test("a workload no client knows starts as wished", () => {
  expect(decideMtlsPhase(all("DISABLE"), undefined)).toEqual(settled("DISABLE"));
});

test("each port goes its own way, also one that loses its own mode", () => {
  const before: WorkloadMtls = { mode: "STRICT", ports: new Map([[9000, "DISABLE"]]) };
  const phase = decideMtlsPhase(all("STRICT"), { server: before, client: before });
  expect(phase.server).toEqual({ mode: "STRICT", ports: new Map([[9000, "PERMISSIVE"]]) });
  expect(phase.client).toEqual({ mode: "STRICT", ports: new Map([[9000, "DISABLE"]]) });
  expect(isMtlsSettled(all("STRICT"), stepsFrom({ server: before, client: before }, all("STRICT")).at(-1) ?? phase)).toBe(true);
});
