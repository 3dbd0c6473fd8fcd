// What a scenario plays on: the running shop with its visitors, files to apply, releases to follow, a person to ask. Each waits for a condition, with a deadline.

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { ApiClient } from "../../../http/client-types.ts";
import type { ReleaseView } from "../../../http/release-contract.ts";
import { MeshError, NotFound } from "../../../lib/errors.ts";
import type { PersonInput } from "../../../release/observation.ts";
import { applyResources } from "../../apply.ts";
import { readManifests } from "../../manifests.ts";
import { type ReleaseReport, releaseReportOf, runRecordOf } from "../release-report.ts";
import type { TrafficView } from "../run-traffic.ts";
import { shopFiles, shopNamespace } from "../shop.ts";
import type { UserVersions } from "../users.ts";

export interface Stage {
  readonly client: ApiClient;
  /** The visitors' requests per second. */
  readonly rate: number;
  readonly signal: AbortSignal;
  /** What visitors have met so far. */
  readonly traffic: () => TrafficView;
  readonly users: UserVersions;
  /** Tells the reader what happens now. */
  readonly say: (line: string) => void;
  /** The release as it is now, again and again. */
  readonly onRelease: (view: ReleaseView) => void;
}

/** Something a scenario promises. */
export interface Promised {
  readonly what: string;
  readonly kept: boolean;
}

/** What came of a scenario. */
export interface Played {
  readonly releases: readonly ReleaseReport[];
  /** Sentences with numbers, for the summary. */
  readonly notes: readonly string[];
  readonly promises: readonly Promised[];
}

/** The released service of the shop, and its Release. */
export const released = "catalog";
const pollMs = 200;
/** Long, because a machine may be busy; a scenario takes well under a minute. */
const deadlineMs = 240_000;

/** Applies files of examples/shop/releases, and waits until every proxy has them. @throws MeshError when an object is refused. */
export async function applyFiles({ client, signal }: Stage, ...names: readonly string[]): Promise<void> {
  const { releasesFolder } = shopFiles();
  const { resources } = readManifests(
    names.map((name) => join(releasesFolder, name)),
    { namespace: "default", cwd: releasesFolder },
  );
  const { resources: applied, revision } = await applyResources(client, resources);
  const refused = applied.find(({ error }) => error !== undefined)?.error;
  if (refused !== undefined) throw new MeshError("user_error", refused.message, refused.fix === undefined ? {} : { fix: refused.fix });
  await client.waitAcknowledged(revision, { signal });
}

/** Waits until the release is as it should be; shows it meanwhile. @throws MeshError after the deadline, or at the signal. */
export async function untilRelease(stage: Stage, what: string, holds: (view: ReleaseView) => boolean): Promise<ReleaseView> {
  return await until(stage, what, async () => {
    const view = await releaseNow(stage);
    if (view === undefined) return undefined;
    stage.onRelease(view);
    return holds(view) ? view : undefined;
  });
}

/** Undefined before it is there. */
async function releaseNow({ client }: Stage): Promise<ReleaseView | undefined> {
  try {
    return await client.releases.get(shopNamespace, released);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

/** Asks again and again until there is an answer. @throws MeshError after the deadline, or at the signal. */
export async function until<Answer>({ signal }: Stage, what: string, ask: () => Promise<Answer | undefined>): Promise<Answer> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new MeshError("unavailable", `${what}: not within ${deadlineMs / 1000} s`);
    await pause(pollMs, undefined, { signal });
  }
}

/** Everybody has the candidate, or it is back, or a person is asked: whatever comes first for this candidate. */
export async function untilDecided(stage: Stage, candidate: string): Promise<ReleaseView> {
  return await untilRelease(stage, `the release of ${candidate}`, (view) => view.status.candidate === candidate && isAtRest(view));
}

const restPhases: ReadonlySet<string> = new Set(["Succeeded", "RolledBack", "Failed", "Paused", "Held"]);

function isAtRest({ status: { phase }, outcome, waitingInputs, story }: ReleaseView): boolean {
  if (waitingInputs > 0) return false;
  if (restPhases.has(phase)) return true;
  return phase === "Finalising" && outcome === undefined && story.some((line) => line.includes("has all traffic"));
}

/** The release waits for a newer version, and this one is stable. */
export async function untilStable(stage: Stage, version: string): Promise<void> {
  await untilRelease(stage, `${version} as the stable version`, ({ status }) => status.stable === version);
}

/** Lets a person ask something of the release. */
export async function ask(stage: Stage, input: Pick<PersonInput, "type"> & Partial<PersonInput>): Promise<void> {
  await stage.client.releases.ask(shopNamespace, released, { actor: "demo", reason: "", ...input });
  await untilRelease(stage, `an answer to ${input.type}`, ({ waitingInputs }) => waitingInputs === 0);
}

/** Lets visitors come for a while. */
export async function wait({ signal }: Stage, ms: number): Promise<void> {
  await pause(ms, undefined, { signal });
}

/** The reports of all runs so far, oldest first. */
export async function reportsOf({ client, traffic }: Stage): Promise<readonly ReleaseReport[]> {
  const [{ items }, view] = await Promise.all([
    client.list("ReleaseRun", { namespace: shopNamespace }),
    client.releases.get(shopNamespace, released),
  ]);
  const { injected } = traffic();
  const records = items.map(runRecordOf).toSorted((a, b) => Date.parse(a.status.startedAt) - Date.parse(b.status.startedAt));
  return records.map((record) => {
    const phase = record.metadata.name === view.status.run ? view.status.phase : undefined;
    return releaseReportOf(record, { service: released, phase, injected, nowMs: Date.now() });
  });
}

/** The user's objects that a release must never write, as they are stored, without status: "kind/name" → JSON. */
export async function usersObjects({ client }: Pick<Stage, "client">): Promise<ReadonlyMap<string, string>> {
  const kinds = ["VirtualService", "DestinationRule", "Service"] as const;
  const lists = await Promise.all(kinds.map((kind) => client.list(kind)));
  return new Map(
    lists.flatMap(({ items }) =>
      items.map(({ status: _status, ...object }) => [
        `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`,
        JSON.stringify(object),
      ]),
    ),
  );
}

/** Whether a run is in a phase at all that counts as promoted. */
export function isPromoted({ phase }: Pick<ReleaseReport, "phase">): boolean {
  return phase === "Succeeded" || phase === "Finalising";
}
