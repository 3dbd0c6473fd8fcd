// Strategies that choose whom a new version is for: dark launch, graduated rollout, A/B test, feature toggle. Visitors are users with a cookie; some are testers.

import type { SeenBy } from "../users.ts";
import {
  applyFiles,
  ask,
  isPromoted,
  type Played,
  type Promised,
  reportsOf,
  type Stage,
  untilDecided,
  untilRelease,
  untilStable,
} from "./stage.ts";

const candidate = "v2";

/** Only testers see v2, until a person lets everybody. */
export async function playDark(stage: Stage): Promise<Played> {
  return await forTesters(stage, "dark.yaml");
}

/** A flag that is on for testers leads them to v2. */
export async function playToggle(stage: Stage): Promise<Played> {
  return await forTesters(stage, "toggle.yaml");
}

async function forTesters(stage: Stage, file: string): Promise<Played> {
  await applyFiles(stage, file);
  await untilStable(stage, "v1");
  await applyFiles(stage, "catalog-v2.yaml");
  await untilStep(stage, 1);
  stage.users.restart();
  await untilDecided(stage, candidate);
  const [testers, others] = [stage.users.seenBy(true), stage.users.seenBy(false)];
  stage.say("a person has looked at it and lets everybody have it");
  await ask(stage, { type: "promote", full: true, reason: "testers like the stars" });
  await untilPromoted(stage);
  const releases = await reportsOf(stage);
  return {
    releases,
    notes: [`before: ${requestWords("testers", testers)}; ${requestWords("everybody else", others)}`],
    promises: [
      { what: "testers got v2, and only v2", kept: of(testers, candidate) > 0 && of(testers, "v1") === 0 },
      { what: "nobody else got v2 before a person said so", kept: of(others, candidate) === 0 && of(others, "v1") > 0 },
      promoted(releases),
    ],
  };
}

/** Rings of testers, then of more and more users; who has v2 keeps it. */
export async function playGraduated(stage: Stage): Promise<Played> {
  await applyFiles(stage, "graduated.yaml");
  await untilStable(stage, "v1");
  stage.users.restart();
  await applyFiles(stage, "catalog-v2.yaml");
  const shares: string[] = [];
  for (const step of [1, 2, 3]) {
    await untilStep(stage, step);
    await untilRelease(stage, `the end of ring ${step}`, ({ status }) => status.step > step || status.phase !== "Progressing");
    shares.push(`${stage.users.seenBy(false).users.get(candidate) ?? 0} of ${usersOf(stage)} users`);
  }
  await untilPromoted(stage);
  const releases = await reportsOf(stage);
  const back = stage.users.changesTo("v1");
  return {
    releases,
    notes: [
      `users beside the testers who had met v2 at the end of each ring: ${shares.join(", ")}`,
      `users who went from v2 back to v1: ${back}`,
    ],
    promises: [{ what: "who had v2 kept it", kept: back === 0 }, promoted(releases)],
  };
}

/** Half of the users get v2; a comparison with intervals, and a person decides. */
export async function playAb(stage: Stage): Promise<Played> {
  await applyFiles(stage, "ab.yaml");
  await untilStable(stage, "v1");
  await applyFiles(stage, "catalog-v2.yaml");
  await untilStep(stage, 1);
  stage.users.restart();
  await untilDecided(stage, candidate);
  const { users } = stage.users.seenBy(false);
  const changed = stage.users.changesTo("v1");
  const comparison = (await reportsOf(stage)).at(-1)?.verdict ?? "";
  stage.say("a person has read the comparison and takes version 2");
  await ask(stage, { type: "promote", full: true, reason: "stars do no harm" });
  await untilPromoted(stage);
  const releases = (await reportsOf(stage)).map((report) => ({ ...report, verdict: comparison }));
  return {
    releases,
    notes: [`users with the old version: ${users.get("v1") ?? 0}, with stars: ${users.get(candidate) ?? 0}; who changed sides: ${changed}`],
    promises: [
      { what: "each user kept a version", kept: changed === 0 },
      { what: "both variants had users", kept: (users.get("v1") ?? 0) > 0 && (users.get(candidate) ?? 0) > 0 },
      promoted(releases),
    ],
  };
}

async function untilStep(stage: Stage, step: number): Promise<void> {
  await untilRelease(stage, `step ${step}`, ({ status, steps }) => {
    const { acknowledged, total } = status.proxies;
    return status.candidate === candidate && steps[step - 1]?.since !== undefined && total > 0 && acknowledged === total;
  });
}

async function untilPromoted(stage: Stage): Promise<void> {
  await untilRelease(
    stage,
    "the promotion",
    ({ status: { phase } }) => phase === "Finalising" || phase === "Succeeded" || phase === "RolledBack",
  );
}

function promoted(releases: Played["releases"]): Promised {
  return { what: "v2 was promoted", kept: releases.some((report) => report.candidate === candidate && isPromoted(report)) };
}

function of({ requests }: SeenBy, version: string): number {
  return requests.get(version) ?? 0;
}

function requestWords(who: string, seen: SeenBy): string {
  return `${of(seen, "v1")} requests of ${who} went to v1 and ${of(seen, candidate)} to v2`;
}

function usersOf(stage: Stage): number {
  return Math.max(...[...stage.users.seenBy(false).users.values()], 0);
}
