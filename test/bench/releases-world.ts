// Many releases at once in one process: the real store on disk, the real engine and its records, the real model; samples and acknowledgements are simulated.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Release } from "../../src/api/release/release.ts";
import { ReleaseEngine } from "../../src/app/releases/release-engine.ts";
import { SampleFiles } from "../../src/app/releases/sample-files.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { latencyEdgesMs } from "../../src/release/judging.ts";
import type { ArmSecond, SampleSecond } from "../../src/release/observation.ts";
import { binomial, randomOf } from "../../src/stats/testing/random.ts";
import { apiParser } from "../../src/store/api-parser.ts";
import { openSqliteStore } from "../../src/store/sqlite-store.ts";
import { acceptedOf, type RawResource, type Store } from "../../src/store/store.ts";
import { AdsServer } from "../../src/xds/ads-server.ts";
import { startMeshEngine } from "../harness/mesh-engine.ts";
import type { BenchContext } from "./benchmark.ts";
import { temporaryFolder } from "./workspace.ts";

const namespace = "bench";
/** Per service, a tenth of them to the candidate. */
const requestsPerSecond = 100;
const podsPerVersion = 2;
/** Pods of callers, which have a proxy; none is connected. */
const callers = 20;
/** Judged as by default; a step that lasts for the whole measurement. */
const spec = { steps: [{ setWeight: 10, for: "1h" }] };

export interface ReleasesWorld {
  readonly store: Store;
  /** How many runs hold at their step. */
  running(): number;
  /** How many meshes were made so far. */
  meshes(): number;
  /** Seconds that were judged so far. */
  judged(): number;
}

/** Starts the runs of so many releases; everything ends with the benchmark. */
export function startReleasesWorld(context: BenchContext, count: number): ReleasesWorld {
  const folder = temporaryFolder(context);
  const store = openSqliteStore({ path: join(folder, "store.db"), clock: systemClock, parser: apiParser, newUid: randomUUID });
  const names = Array.from({ length: count }, (_, index) => `svc${String(index).padStart(4, "0")}`);
  acceptedOf(store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }));
  for (let index = 0; index < callers; index += 1) createPod(store, { name: `caller-${index}`, labels: { app: "caller" } });
  for (const name of names) createService(store, name);
  for (const name of names) createVersion(store, name, "v1");
  const engines = startEngines(context, { store, folder });
  for (const name of names) createVersion(store, name, "v2");
  const running = () => store.list("Release").filter(({ value }) => value.status?.["weightPercent"] === 10).length;
  return { store, running, ...engines };
}

function startEngines({ cleanup }: BenchContext, { store, folder }: { readonly store: Store; readonly folder: string }) {
  const ads = new AdsServer({ generate: () => undefined });
  const { engine: mesh } = startMeshEngine({ store, ads, folder });
  const pushes = { count: 0 };
  const update = mesh.names.update.bind(mesh.names);
  // Called once per mesh.
  mesh.names.update = (...made) => {
    pushes.count += 1;
    update(...made);
  };
  const files = new SampleFiles(folder, silentLogger);
  const judged = { count: 0 };
  const releases = new ReleaseEngine({
    store,
    ads: { onChange: () => () => {}, revisionProgress: acknowledgedByAll },
    runs: () => false,
    samples: {
      secondsOf: (release, after) => {
        const seconds = simulatedSeconds(release, after);
        judged.count += seconds.length;
        return seconds;
      },
      record: ({ metadata }, run, samples) => files.append({ namespace: metadata.namespace, run: run.id }, samples),
      refOf: ({ metadata }, run) => files.refOf({ namespace: metadata.namespace, run: run.id }),
    },
    sendChecks: async () => [],
    tell: () => {},
    nowMs: () => Date.now(),
    logger: silentLogger,
  });
  releases.start();
  cleanup.defer(async () => {
    releases.close();
    mesh.close();
    await ads.close();
    store.close();
  });
  return { meshes: () => pushes.count, judged: () => judged.count };
}

function acknowledgedByAll(revision: number) {
  return { revision, connected: callers, acknowledged: callers, lagging: [], disconnected: [] };
}

const random = randomOf(1);

/** At most ten seconds at a time, as after a pause of the machine. */
function simulatedSeconds(_: Release, after: number): readonly SampleSecond[] {
  const last = Math.floor(Date.now() / 1000) - 1;
  const first = Math.max(after + 1, last - 9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const toCandidate = binomial(random, requestsPerSecond, 0.1);
    return { second: first + index, arms: { v1: armOf(requestsPerSecond - toCandidate), v2: armOf(toCandidate) } };
  });
}

/** Times around 20 ms, some of them long. */
function armOf(requests: number): ArmSecond {
  const latency = Array.from({ length: latencyEdgesMs.length + 1 }, () => 0);
  const slow = binomial(random, requests, 0.02);
  const middle = binomial(random, requests - slow, 0.5);
  latency[4] = middle;
  latency[5] = requests - slow - middle;
  latency[7] = slow;
  return { requests, errors: binomial(random, requests, 0.002), clientErrors: 0, latency };
}

function createService(store: Store, name: string): void {
  const selector = { app: name };
  const metadata = { name, namespace };
  acceptedOf(store.create({ apiVersion: "v1", kind: "Service", metadata, spec: { selector, ports: [{ name: "http", port: 80 }] } }));
  acceptedOf(store.create({ apiVersion: "lateen.io/v1alpha1", kind: "Release", metadata, spec: { service: name, ...spec } }));
}

function createVersion(store: Store, app: string, version: string): void {
  const labels = { app, version, "sidecar.istio.io/inject": "false" };
  const template = { metadata: { labels }, spec: { containers } };
  const metadata = { name: `${app}-${version}`, namespace };
  const set: RawResource = { apiVersion: "apps/v1", kind: "ReplicaSet", metadata, spec: { selector: { matchLabels: labels }, template } };
  acceptedOf(store.create(set));
  for (let index = 0; index < podsPerVersion; index += 1) createPod(store, { name: `${app}-${version}-${index}`, labels });
}

const containers = [{ name: "app", image: "app" }];

function createPod(store: Store, { name, labels }: { readonly name: string; readonly labels: Readonly<Record<string, string>> }): void {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, labels }, spec: { containers } };
  acceptedOf(store.create(pod));
  acceptedOf(store.updateStatus({ ...pod, status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } }));
}
