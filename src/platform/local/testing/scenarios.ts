// The table of scenarios that tests run inside the fabric: name -> function from the test's input to a plain value.

import { captureScenarios } from "./capture-scenarios.ts";
import { containerScenarios } from "./container-scenarios.ts";
import { envoyScenarios } from "./envoy-scenarios.ts";
import { loadScenarios } from "./load-scenarios.ts";
import { networkScenarios } from "./network-scenarios.ts";
import type { Scenario, World } from "./pod-kit.ts";
import { probeScenarios } from "./probe-scenarios.ts";

const all: Readonly<Record<string, Scenario>> = {
  ...containerScenarios,
  ...probeScenarios,
  ...captureScenarios,
  ...networkScenarios,
  ...envoyScenarios,
  ...loadScenarios,
};

/** Runs a scenario by name. */
export async function runScenario(name: string, world: World, input: unknown): Promise<unknown> {
  const scenario = Object.hasOwn(all, name) ? all[name] : undefined;
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return await scenario(world, input);
}
