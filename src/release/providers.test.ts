// A provider of a metric that is down: the step waits, nothing goes back, and it goes on when the provider is back.

import { expect, test } from "vitest";
import type { Observation } from "./observation.ts";
import { World } from "./testing/world.ts";

class WithProvider extends World {
  problem: string | undefined;

  override observation(): Observation {
    const seen = super.observation();
    return this.problem === undefined ? seen : { ...seen, providers: { sold: this.problem } };
  }
}

const steps = [
  { setWeight: 10, for: "5s", advance: "clock" },
  { setWeight: 50, for: "5s", advance: "clock" },
];
const analysis = { metrics: [{ name: "errors" }, { name: "sold", provider: "webhook", query: "http://a.example", margin: { plus: 0.1 } }] };

test("a step waits for a provider that is down, tells it once, and goes on when it is back", () => {
  const world = new WithProvider({ spec: { steps, analysis } });
  world.pass(2);
  world.problem = "it answered 500";
  world.pass(120);
  expect([world.phase, world.run?.step, world.applied?.exposure.weightPercent]).toEqual(["Progressing", 0, 10]);
  expect(world.whats().filter((what) => what === "MetricProviderDown")).toEqual(["MetricProviderDown"]);
  expect(world.run?.decisions.at(-1)?.sentence).toBe("sold can't be read: it answered 500, which says nothing of v2; waiting");
  world.problem = undefined;
  expect(world.until(({ phase }) => phase === "Finalising", 60)).toBe(true);
  expect(world.whats()).toContain("MetricProviderBack");
});
