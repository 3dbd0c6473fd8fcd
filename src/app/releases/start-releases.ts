// The release engine with everything it needs, wired: routes for the model, decisions from samples, records on disk, the API's view.

import type { Diagnostic } from "../../api/diagnostic.ts";
import type { Release } from "../../api/release/release.ts";
import type { FetchAllowance } from "../../api/security/fetch-allowance.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { ReleasesView } from "../../http/release-contract.ts";
import type { Logger } from "../../lib/log.ts";
import type { Mesh } from "../../model/mesh.ts";
import type { ReleaseRoute } from "../../model/releases/release-route.ts";
import type { SampleSecond } from "../../release/observation.ts";
import type { PlanTraffic } from "../../release/plan.ts";
import { isKind, type Store } from "../../store/store.ts";
import type { AdsServer } from "../../xds/ads-server.ts";
import type { ReleaseFigures } from "../telemetry/release-series.ts";
import type { SendChecks } from "./carry-out.ts";
import { countingProxies } from "./counting-proxies.ts";
import { MetricProviders } from "./metric-providers.ts";
import { ReleaseEngine } from "./release-engine.ts";
import { releaseFigures } from "./release-figures.ts";
import { releaseFindings } from "./release-findings.ts";
import { releaseRoutesOf } from "./release-routes.ts";
import { createReleasesView } from "./releases-view.ts";
import { SampleFiles } from "./sample-files.ts";
import { type SeenCallers, Steering } from "./steering.ts";
import { Webhooks } from "./webhooks.ts";

/** What callers of a Release's service saw; made by the telemetry. */
export interface ReleaseTraffic {
  /** Complete seconds after `afterSecond`, oldest first; a gap has none. */
  secondsOf(release: Release, afterSecond: number): readonly SampleSecond[];
  /** Of the last half minute. */
  trafficOf(release: Release): PlanTraffic;
}

export interface StartReleasesOptions {
  readonly runDir: string;
  readonly store: Store;
  readonly ads: Pick<AdsServer, "revisionProgress" | "onChange">;
  readonly runs: (proxyId: string) => boolean;
  readonly traffic: ReleaseTraffic;
  readonly callers: SeenCallers;
  readonly sendChecks: SendChecks;
  /** From where webhooks and metrics may be asked although it is no public address. */
  readonly allowance: () => FetchAllowance;
  /** What became of a webhook. */
  readonly onWebhook: (result: string) => void;
  readonly nowMs: () => number;
  readonly logger: Logger;
}

export interface RunningReleases {
  readonly view: ReleasesView;
  /** How each stands, for Prometheus. */
  figures(): readonly ReleaseFigures[];
  /** What was found about callers of runs under way. */
  findings(): readonly Diagnostic[];
  close(): void;
}

/** What the model takes of releases: routes, and who counts every try for them. */
export interface ReleaseInputs {
  readonly releases: readonly ReleaseRoute[];
  readonly counting: (scopes: Mesh["scopes"]) => ReadonlySet<string>;
}

/** For the mesh of a snapshot. */
export function releaseInputs(snapshot: Snapshot): ReleaseInputs {
  return { releases: releaseRoutesOf(snapshot), counting: countingProxies(snapshot) };
}

/** Starts deciding. */
export function startReleases({ runDir, traffic, callers, allowance, onWebhook, ...options }: StartReleasesOptions): RunningReleases {
  const { store, nowMs, logger } = options;
  const files = new SampleFiles(runDir, logger);
  const webhooks = new Webhooks({ store, logger, nowMs, allowance, onResult: onWebhook });
  const providers = new MetricProviders({ allowance, nowMs });
  const steering = new Steering(callers);
  const engine = new ReleaseEngine({
    ...options,
    tell: webhooks.tell,
    samples: {
      secondsOf: (release, after, run) => providers.withMetrics(release, run.id, traffic.secondsOf(release, after)),
      problemsOf: (release) => providers.problemsOf(release),
      findingsOf: (release, run) => steering.findingsOf(release, run),
      record: ({ metadata }, run, samples) => files.append({ namespace: metadata.namespace, run: run.id }, samples),
      refOf: ({ metadata }, run) => files.refOf({ namespace: metadata.namespace, run: run.id }),
    },
  });
  const ends = store.subscribe(({ type, stored }) => {
    if (type === "DELETED" && isKind(stored, "Release")) providers.forget(stored.value);
    if (type === "DELETED" && stored.kind === "ReleaseRun") files.remove({ namespace: stored.namespace ?? "", run: stored.name });
  });
  engine.start();
  return {
    view: createReleasesView({
      store,
      engine,
      files,
      nowMs,
      trafficOf: (release) => traffic.trafficOf(release),
      podsWithoutProxy: () => callers.podsWithoutProxy(),
    }),
    figures: () => releaseFigures(store, engine, nowMs()),
    findings: () => releaseFindings(store, engine),
    close: () => {
      ends();
      engine.close();
      webhooks.close();
      providers.close();
    },
  };
}
