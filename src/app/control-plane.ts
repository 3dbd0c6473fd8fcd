// The control plane process: store, API, controllers, mesh engine and ADS server, wired. The only place that knows all of them.

import { randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Authority, type OwnAuthority, openAuthority } from "../ca/authority.ts";
import { openPlugInAuthority } from "../ca/plug-in-authority.ts";
import { WorkloadCertificates } from "../ca/workload-certificates.ts";
import type { ApiServerOptions } from "../http/options.ts";
import { type ApiServer, startApiServer } from "../http/server.ts";
import { systemClock } from "../lib/clock.ts";
import { MeshError } from "../lib/errors.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { defaultMeshSettings } from "../model/mesh.ts";
import { systemTimers } from "../platform/controllers/options.ts";
import { startControllers } from "../platform/controllers/start.ts";
import { apiParser } from "../store/api-parser.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import { AdsServer } from "../xds/ads-server.ts";
import { runFiles } from "./config.ts";
import { readCredentials, writeCredentials } from "./credentials-file.ts";
import { readKept, writeKept } from "./kept-file.ts";
import { MeshEngine, type MeshEngineOptions } from "./mesh-engine.ts";
import { createMeshView } from "./mesh-view.ts";
import { callThroughNode } from "./releases/call-pod.ts";
import { createFlagsView } from "./releases/flags-view.ts";
import { laptopAllowance } from "./releases/laptop-allowance.ts";
import { previewChecks } from "./releases/preview-checks.ts";
import { type RunningReleases, startReleases } from "./releases/start-releases.ts";
import type { ControlPlaneOptions, RoleMessage } from "./roles.ts";
import { knownEndsOf } from "./telemetry/known-ends.ts";
import { MeshGraph } from "./telemetry/mesh-graph.ts";
import { MeshPrometheus } from "./telemetry/mesh-prometheus.ts";
import { meshStat } from "./telemetry/mesh-stat.ts";
import { MeshTelemetry } from "./telemetry/mesh-telemetry.ts";
import { ReleaseTraffic } from "./telemetry/release-traffic.ts";
import { openTaps } from "./telemetry/tap/open-taps.ts";
import { startMeshTraces } from "./telemetry/traces/start.ts";
import { lateenVersion } from "./versions.ts";

/** Runs the control plane until SIGTERM. Tells the supervisor when its API answers. */
export async function runControlPlane(options: ControlPlaneOptions): Promise<void> {
  const tell = (message: RoleMessage) => process.send?.(message);
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
  // Without its supervisor nobody would end it.
  process.once("disconnect", () => process.exit(0));
  try {
    const running = await startControlPlane(options);
    tell({ type: "ready", ...(running.metricsPort === undefined ? {} : { metricsPort: running.metricsPort }) });
    await stopped;
    await running.close();
    process.disconnect?.();
  } catch (error) {
    const { message, fix } = MeshError.from(error);
    tell({ type: "fatal", message, ...(fix === undefined ? {} : { fix }) });
    process.exitCode = 1;
    process.disconnect?.();
  }
}

interface RunningControlPlane {
  readonly metricsPort: number | undefined;
  close(): Promise<void>;
}

/** Starts all parts in the order in which they need each other. @throws Unavailable when the store or a socket can't be opened. */
async function startControlPlane(options: ControlPlaneOptions): Promise<RunningControlPlane> {
  const core = startCore(options);
  const { logger, store, telemetry, prometheus, ads, engine, taps } = core;
  const { runDir } = options;
  const controllers = startControllers({
    store,
    timers: systemTimers,
    log: logger,
    nameSuffix,
    acknowledged: async (revision, signal) => void (await ads.whenAcknowledged(revision, signal)),
  });
  const traces = await startMeshTraces({ mesh: () => engine.mesh, telemetry, runDir, logger });
  const graph = new MeshGraph({ mesh: () => engine.mesh, store, telemetry, logsDir: runFiles.logsDir(runDir) });
  const releases = startReleasesOn(core, graph, runDir);
  const findings = () => [...telemetry.findings(), ...releases.findings()];
  const view = createMeshView({ mesh: options.mesh, store, ads, engine, findings, startedAt: new Date().toISOString(), graph });
  prometheus.own.showReleases(() => releases.figures());
  await prometheus.open(options.metrics);
  const api = await serveApi(core, { view, traces, releases: releases.view, runDir });
  return {
    metricsPort: prometheus.port,
    close: async () => {
      await prometheus.close();
      releases.close();
      controllers.close();
      taps.close();
      engine.close();
      traces.close();
      telemetry.close();
      await api.close();
      await ads.close();
      store.close();
    },
  };
}

/** Releases decide by what telemetry and graph saw, and change objects of the store. */
function startReleasesOn({ store, ads, engine, telemetry, prometheus, logger }: Core, graph: MeshGraph, runDir: string): RunningReleases {
  const nowMs = () => telemetry.nowMs();
  return startReleases({
    runDir,
    store,
    ads,
    runs: (proxyId) => engine.runs(proxyId),
    traffic: new ReleaseTraffic(telemetry),
    callers: graph.callers,
    sendChecks: previewChecks({ store, callPod: callThroughNode(runFiles.nodeSocket(runDir)), sleep: unreferenced, nowMs }),
    allowance: laptopAllowance(store),
    onWebhook: prometheus.own.onWebhook,
    nowMs,
    logger,
  });
}

interface Views extends Required<Pick<ApiServerOptions, "view" | "traces" | "releases">> {
  readonly runDir: string;
}

/** Last of all: who finds the socket finds everything behind it. */
function serveApi({ store, engine, telemetry, prometheus, taps, logger }: Core, { runDir, view, ...views }: Views): Promise<ApiServer> {
  return startApiServer({
    ...views,
    store,
    parser: prometheus.own.countedParser(apiParser),
    view: { ...view, status: () => ({ ...view.status(), metricsPort: prometheus.port }) },
    metrics: prometheus.view,
    taps,
    flags: createFlagsView({ store, mesh: () => engine.mesh }),
    stat: {
      stat: (query) =>
        meshStat(telemetry, query, () => (engine.mesh === undefined ? undefined : knownEndsOf(store.snapshot(), engine.mesh))),
    },
    log: logger,
    socketPath: runFiles.apiSocket(runDir),
    version: lateenVersion(),
  });
}

/** Waits without keeping the process alive. */
function unreferenced(ms: number): Promise<void> {
  return sleep(ms, undefined, { ref: false });
}

type Core = ReturnType<typeof startCore>;

/** What everything else is built on: objects, keys, what proxies get and what they report. */
function startCore(options: ControlPlaneOptions) {
  const { runDir } = options;
  const logger = createLogger("control-plane", options.logLevel, (line) => void process.stderr.write(line));
  const store = openSqliteStore({ path: runFiles.store(runDir), clock: systemClock, parser: apiParser, newUid: randomUUID });
  const keptPath = join(runDir, "kept.json");
  const authority = authorityOf(options);
  const certificates = new WorkloadCertificates({ authority, lifetimeMs: options.certificateLifetimeMs });
  // Asked for only once a proxy connects; there is none before the engine has opened its socket.
  const telemetry: MeshTelemetry = new MeshTelemetry({ mesh: () => engine.mesh, logger, keptPath: join(runDir, "connections.json") });
  const later = () => ({ engine, ads });
  const taps = openTaps(telemetry, later);
  const prometheus = new MeshPrometheus({ runDir, store, certificates, authority, telemetry, logger, later });
  const ads: AdsServer = new AdsServer({
    generate: (proxyId) => engine.desiredOf(proxyId),
    onExport: (proxyId, signal, bytes) => telemetry.take(proxyId, signal, bytes),
    onEvent: prometheus.own.onXds,
    logger,
  });
  const engine: MeshEngine = new MeshEngine({
    store,
    ads,
    socketOf: (podUid) => runFiles.xdsSocket(runDir, podUid),
    logger,
    egress: options.egress,
    kept: readKept(keptPath),
    authority,
    certificates,
    credentials: keptCredentials(join(runDir, "credentials.json"), logger),
    onKeep: (kept) => keepOrTell(logger, () => writeKept(keptPath, kept)),
  });
  return { logger, store, telemetry, prometheus, ads, engine, taps };
}

function authorityOf({ caDirectory, runDir }: ControlPlaneOptions): OwnAuthority | Authority {
  const { trustDomain } = defaultMeshSettings;
  if (caDirectory === undefined) return openAuthority({ directory: runFiles.authority(runDir), trustDomain });
  return openPlugInAuthority({ directory: caDirectory, trustDomain });
}

function keptCredentials(path: string, logger: Logger): MeshEngineOptions["credentials"] {
  return { kept: readCredentials(path), onKeep: (kept) => keepOrTell(logger, () => writeCredentials(path, kept)) };
}

/** A full disk stops no push: only the next process would miss what could not be written. */
function keepOrTell(logger: Logger, write: () => void): void {
  try {
    write();
  } catch (error) {
    logger.error("what a restart needs can't be written", { error: MeshError.from(error).message });
  }
}

/** Letters and digits as Kubernetes uses them in generated names: no vowels and nothing that is mistaken for another. */
const alphabet = "bcdfghjklmnpqrstvwxz2456789";

function nameSuffix(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
}
