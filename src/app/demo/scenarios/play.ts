// The scenarios by name, and how each is played: what it promises by itself, and what every one promises.

import { otherFailures } from "../run-traffic.ts";
import { userHeaders } from "../users.ts";
import { playCanary } from "./canary.ts";
import { playAb, playDark, playGraduated, playToggle } from "./people.ts";
import { type Played, type Promised, type Stage, usersObjects } from "./stage.ts";
import { playBlueGreen, playFault, playRecreate, playRolling, playShadow } from "./traffic.ts";

interface Scenario {
  /** What is shown, in one sentence. */
  readonly summary: string;
  /** Whether visitors are users with a cookie, some of them testers. */
  readonly hasUsers: boolean;
  /** Whether visitors' requests may fail for another reason than a version's own errors. */
  readonly mayFail: boolean;
  readonly play: (stage: Stage) => Promise<Played>;
}

const plain = { hasUsers: false, mayFail: false } as const;
const withUsers = { hasUsers: true, mayFail: false } as const;

/** By name. */
export const scenarios = {
  canary: { ...plain, summary: "a good version is promoted on evidence, a bad one goes back by itself", play: playCanary },
  bluegreen: { ...plain, summary: "a preview is checked, everybody is switched at once, and back in an instant", play: playBlueGreen },
  ab: { ...withUsers, summary: "half of the users get another version; a comparison at the end", play: playAb },
  shadow: { ...plain, summary: "a bad version gets copies only, and is found out", play: playShadow },
  dark: { ...withUsers, summary: "only testers get the new version", play: playDark },
  graduated: { ...withUsers, summary: "testers, then more and more users; who has it keeps it", play: playGraduated },
  toggle: { ...withUsers, summary: "a flag decides the header and the version together", play: playToggle },
  rolling: { ...plain, summary: "a Deployment replaces its pods some at a time; watched and judged", play: playRolling },
  recreate: { ...plain, mayFail: true, summary: "a Deployment ends its old pods first; the gap is measured", play: playRecreate },
  fault: { ...plain, mayFail: true, summary: "what breaks for both versions isn't blamed on the new one", play: playFault },
} as const satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof scenarios;

export const scenarioNames: readonly string[] = Object.keys(scenarios);

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(scenarios, name);
}

/** Headers of the visitors' requests in a scenario. */
export function visitorHeaders(name: ScenarioName): (index: number) => Readonly<Record<string, string>> {
  return scenarios[name].hasUsers ? userHeaders : () => ({});
}

/** Plays it to its end. @throws MeshError when something takes too long; the signal's reason. */
export async function playScenario(name: ScenarioName, stage: Stage): Promise<Played> {
  const scenario: Scenario = scenarios[name];
  const before = await usersObjects(stage);
  const played = await scenario.play(stage);
  const after = await usersObjects(stage);
  const untouched: Promised = {
    what: "nothing was written into VirtualServices, DestinationRules and Services",
    kept: [...before].every(([key, text]) => after.get(key) === text),
  };
  const others = otherFailures(stage.traffic());
  const unharmed: Promised = { what: "no visitor's request failed but by a version's own errors", kept: others === 0 };
  return { ...played, promises: [...played.promises, untouched, ...(scenario.mayFail ? [] : [unharmed])] };
}
