// Strategies that move all requests alike: shadow (copies), blue/green (a checked preview, one switch, an instant return), and a canary in a shared incident.

import {
  applyFiles,
  ask,
  isPromoted,
  type Played,
  reportsOf,
  type Stage,
  until,
  untilDecided,
  untilRelease,
  untilStable,
  wait,
} from "./stage.ts";

/** A bad version gets copies only: it is found out, and nobody saw it. */
export async function playShadow(stage: Stage): Promise<Played> {
  await applyFiles(stage, "shadow.yaml");
  await untilStable(stage, "v1");
  stage.say("a bad version, catalog v3, gets copies of a third of the requests; its answers are thrown away");
  await applyFiles(stage, "catalog-v3.yaml");
  await untilDecided(stage, "v3");
  const releases = await reportsOf(stage);
  const bad = releases.find(({ candidate }) => candidate === "v3");
  const seen = stage.users.seenBy(false).requests.get("v3") ?? 0;
  return {
    releases,
    notes: [
      `${bad?.failedRequests ?? 0} copies failed; visitors' requests that v3 answered: ${seen}, that it failed: ${bad?.visitorFailures ?? 0}`,
    ],
    promises: [
      { what: "v3 was found out by copies alone", kept: bad?.phase === "RolledBack" },
      { what: "no visitor met v3", kept: seen === 0 && bad?.visitorFailures === 0 },
    ],
  };
}

/** Checks on a preview host, one switch, and an undo while the old side is warm. */
export async function playBlueGreen(stage: Stage): Promise<Played> {
  await applyFiles(stage, "bluegreen.yaml");
  await untilStable(stage, "v1");
  await applyFiles(stage, "catalog-v2.yaml");
  await untilDecided(stage, "v2");
  const first = await reportsOf(stage);
  const isSwitched = first.some((report) => report.candidate === "v2" && isPromoted(report));
  if (!isSwitched) return { releases: first, notes: [], promises: [{ what: "v2 passed its checks and got everybody", kept: false }] };
  stage.say("everybody has v2; somebody wants v1 back");
  await wait(stage, 3000);
  const askedAt = performance.now();
  await ask(stage, { type: "undo", reason: "to show how quick it is" });
  await untilRelease(stage, "the return", ({ story }) => story.some((line) => line.includes("has all traffic again")));
  const undoSeconds = (performance.now() - askedAt) / 1000;
  await untilRelease(stage, "the end", ({ status }) => status.phase === "RolledBack");
  const [before] = first;
  const releases = before === undefined ? [] : [before, ...(await reportsOf(stage)).slice(-1)];
  return {
    releases,
    notes: [`v1 had all requests again ${undoSeconds.toFixed(1)} s after somebody asked for it`],
    promises: [
      { what: "v2 passed its checks and got everybody", kept: isSwitched },
      { what: "undo brought v1 back", kept: releases.at(-1)?.phase === "RolledBack" },
    ],
  };
}

/** Something behind both versions breaks during a canary: neither is blamed. */
export async function playFault(stage: Stage): Promise<Played> {
  await applyFiles(stage, "fault.yaml");
  await untilStable(stage, "v1");
  await applyFiles(stage, "catalog-v2.yaml");
  await untilRelease(stage, "the first step", ({ status }) => status.candidate === "v2" && status.phase === "Progressing");
  await wait(stage, 2000);
  const before = stage.traffic().total.failures;
  stage.say("stock, which both versions of catalog need, fails one call in twelve");
  await applyFiles(stage, "fault-stock.yaml");
  await wait(stage, 10_000);
  await stage.client.delete({ kind: "VirtualService", namespace: "shop", name: "stock" });
  stage.say("stock works again");
  const failed = stage.traffic().total.failures - before;
  await untilDecided(stage, "v2");
  const releases = await reportsOf(stage);
  const good = releases.find(({ candidate }) => candidate === "v2");
  return {
    releases,
    notes: [
      `${failed} requests failed during the incident, ${good?.failedRequests ?? 0} of them at v2: its share of them, and no proof against it`,
    ],
    promises: [
      { what: "the incident was felt", kept: failed > 0 },
      { what: "v2 wasn't blamed for it and was promoted", kept: good !== undefined && isPromoted(good) },
    ],
  };
}

/** A Deployment's own rolling update. */
export async function playRolling(stage: Stage): Promise<Played> {
  return await inPlace(stage, "rolling");
}

/** A Deployment's own Recreate. */
export async function playRecreate(stage: Stage): Promise<Played> {
  return await inPlace(stage, "recreate");
}

async function inPlace(stage: Stage, kind: "rolling" | "recreate"): Promise<Played> {
  stage.say("first, catalog as one Deployment that is updated in place");
  await applyFiles(stage, `${kind}-v1.yaml`);
  await untilReady(stage);
  await stage.client.delete({ kind: "Deployment", namespace: "shop", name: "catalog-v1" });
  await until(stage, "the end of catalog-v1", async () => {
    const { items } = await stage.client.list("Pod", { namespace: "shop", labelSelector: "app=catalog,updates!=in-place" });
    return items.length === 0 ? true : undefined;
  });
  await applyFiles(stage, `${kind}.yaml`);
  await untilStable(stage, "v1");
  await wait(stage, 2000);
  const before = stage.traffic();
  stage.say("its template becomes version 2");
  await applyFiles(stage, `${kind}-v2.yaml`);
  await untilDecided(stage, "v2");
  const releases = await reportsOf(stage);
  const after = stage.traffic();
  const failed = after.total.failures - before.total.failures;
  const good = releases.find(({ candidate }) => candidate === "v2");
  return {
    releases,
    notes: [`${failed} of ${after.total.requests - before.total.requests} requests failed meanwhile`],
    promises: [{ what: "v2 took the place of v1", kept: good !== undefined && isPromoted(good) }],
  };
}

async function untilReady(stage: Stage): Promise<void> {
  await until(stage, "the Deployment", async () => {
    const { spec, status } = await stage.client.get({ kind: "Deployment", namespace: "shop", name: "catalog" });
    return numberIn(status, "readyReplicas") >= numberIn(spec, "replicas") ? true : undefined;
  });
}

function numberIn(object: unknown, field: string): number {
  if (typeof object !== "object" || object === null) return 0;
  const value: unknown = Object.entries(object).find(([key]) => key === field)?.[1];
  return typeof value === "number" ? value : 0;
}
