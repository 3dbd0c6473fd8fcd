import { expect, test } from "vitest";
import { decide } from "./decide.ts";
import { explain } from "./explain.ts";
import type { RunFinding } from "./observation.ts";
import type { ReleaseState } from "./state.ts";
import { publicStatusOf } from "./status.ts";
import { twoVersions, World } from "./testing/world.ts";

const unsteered: RunFinding = {
  kind: "CallersNotSteered",
  subject: "reviews",
  sentence: "90 requests to reviews came from callers without a proxy",
};
const dropped: RunFinding = { kind: "BaggageDropped", subject: "shop/web", sentence: "0 % of the requests of shop/web say whose they are" };

test("what is found of callers is told once in a run, shown while it lasts, and stops nothing", () => {
  const world = new World({ spec: { steps: [{ setWeight: 20, for: "120s", advance: "clock" }] } });
  world.pass(10);
  let { state, now } = world;
  const events: string[] = [];
  const next = (findings: readonly RunFinding[]): ReleaseState => {
    now += 1000;
    const observed = { versions: twoVersions, samples: [], inputs: [], done: state.outbox.map(({ id }) => id), checks: {}, findings };
    const decision = decide({ name: "reviews", spec: world.spec, status: state, observed, now });
    state = decision.status;
    events.push(...decision.actions.flatMap((action) => (action.type === "event" ? [action.reason] : [])));
    return state;
  };
  const shown = () => publicStatusOf(state, { spec: world.spec, now, generation: 1 });
  const steered = () => shown().conditions.find(({ type }) => type === "Steered");
  expect([shown().findings, steered()?.status]).toEqual([undefined, "True"]);

  next([unsteered]);
  const unchanged = next([{ ...unsteered, sentence: "95 requests to reviews came from callers without a proxy" }]);
  // Numbers that change are no news: nothing is written for them.
  expect(next([unsteered]).run?.findings).toBe(unchanged.run?.findings);
  expect(shown().findings).toEqual([unsteered.sentence]);
  expect(steered()).toMatchObject({ status: "False", reason: "CallersNotSteered", message: unsteered.sentence });

  next([unsteered, dropped]);
  expect(shown().findings).toEqual([unsteered.sentence, dropped.sentence]);
  next([]);
  expect([shown().findings, steered()?.status, shown().phase]).toEqual([undefined, "True", "Progressing"]);
  next([unsteered]);
  expect(events).toEqual(["CallersNotSteered", "BaggageDropped"]);
  expect(state.run === undefined ? [] : explain(state.run).filter((line) => line.includes("without a proxy"))).toHaveLength(1);
});

test("a hop whose name begins another's is told too", () => {
  const world = new World({ spec: { steps: [{ setWeight: 20, for: "120s", advance: "clock" }] } });
  world.pass(10);
  const ofHop = (subject: string): RunFinding => ({
    kind: "BaggageDropped",
    subject,
    sentence: `100 % of the requests to ${subject} say whose they are, 0 % of its do`,
  });
  const next = (status: ReleaseState, now: number, findings: readonly RunFinding[]) => {
    const observed = { versions: twoVersions, samples: [], inputs: [], done: status.outbox.map(({ id }) => id), checks: {}, findings };
    return decide({ name: "reviews", spec: world.spec, status, observed, now }).status;
  };
  const first = next(world.state, world.now + 1000, [ofHop("shop/web-admin")]);
  const second = next(first, world.now + 2000, [ofHop("shop/web"), ofHop("shop/web-admin")]);
  const told = second.run?.decisions.flatMap(({ what, sentence }) => (what === "BaggageDropped" ? [sentence] : []));
  expect(told).toEqual([ofHop("shop/web-admin").sentence, ofHop("shop/web").sentence]);
});
