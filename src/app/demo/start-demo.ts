// Starts the shop under a mesh name and on a host port of which nobody else makes use, so that two demos can run at the same time.

import type { Diagnostic } from "../../api/diagnostic.ts";
import type { MeshStatus } from "../../http/contract.ts";
import { MeshError } from "../../lib/errors.ts";
import { openHostPort } from "../../platform/local/forward.ts";
import type { ApplyResult } from "../apply.ts";
import { type Environment, type MeshConfig, readMeshConfig } from "../config.ts";
import { type StartedMesh, startMesh } from "../mesh-start.ts";
import { supervisorOf } from "../run-dir.ts";
import { gatewayPort, shopFiles, wantedPort } from "./shop.ts";

const readyTimeoutMs = 60_000;
const acknowledgeTimeoutMs = 10_000;
const maxNames = 20;

export interface DemoRequest {
  /** The mesh the person named; undefined: "demo", or the first free of demo-2, demo-3 … */
  readonly mesh: string | undefined;
  /** The host port the person named, 0 = any free one; undefined: lateen.yaml's, or any free one. */
  readonly port: number | undefined;
  readonly env: Environment;
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
  readonly onDiagnostic: (diagnostic: Diagnostic) => void;
  readonly onApplied: (result: ApplyResult) => void;
}

export interface DemoMesh {
  readonly config: MeshConfig;
  readonly started: StartedMesh;
  /** Of the gateway on 127.0.0.1. */
  readonly port: number;
  /** From the first pod's creation until the last one was ready. */
  readonly meshedSeconds: number;
}

/** Starts it and waits until it serves; started.waiting says what doesn't. @throws what startMesh throws. */
export async function startDemo(request: DemoRequest): Promise<DemoMesh> {
  for (let attempt = 1; ; attempt += 1) {
    const config = freeMesh(request);
    const port = await freePort(request);
    try {
      return await startOnce(request, config, port);
    } catch (error) {
      // Another demo that started at the same moment may have taken the name or the port; then another try finds the next.
      const isTaken = isRunning(config) || (await freePort({ ...request, onProgress: () => {} })) !== port;
      if (request.mesh !== undefined || !isTaken || attempt >= maxNames || request.signal.aborted) throw error;
    }
  }
}

async function startOnce(request: DemoRequest, config: MeshConfig, port: number): Promise<DemoMesh> {
  const files = shopFiles();
  const { env, cwd, signal, onProgress, onDiagnostic, onApplied } = request;
  onProgress(`starting the mesh "${config.mesh}" with the shop: control plane, node, then 7 pods with their proxies`);
  const started = await startMesh({
    config,
    env,
    cwd,
    files: [files.manifests],
    lateenYaml: files.lateenYaml,
    gatewayPorts: { [gatewayPort]: port },
    egress: true,
    timeoutMs: readyTimeoutMs,
    signal,
    onProgress,
    onDiagnostic,
    onApplied,
  });
  const meshedSeconds = (Date.now() - started.applyStartMs) / 1000;
  try {
    if (started.waiting.length === 0) await allAcknowledged(started, request);
    return { config, started, port: started.supervisor.gatewayPorts.get(Number(gatewayPort)) ?? port, meshedSeconds };
  } catch (error) {
    await started.supervisor.close();
    throw error;
  }
}

/** The endpoints of the last pod must have reached the gateway and everyone else before visitors come. */
async function allAcknowledged({ client }: StartedMesh, { signal, onProgress }: DemoRequest): Promise<void> {
  const status: MeshStatus = await client.status();
  const reply = await client.waitAcknowledged(status.revision, { timeoutMs: acknowledgeTimeoutMs, signal });
  if (!reply.acknowledged) onProgress(`not acknowledged by: ${reply.waitingFor.join(", ")}`);
  for (const { proxy, resource } of reply.rejected) onProgress(`${proxy} refused ${resource.type} ${resource.name}: ${resource.reason}`);
}

function freeMesh({ mesh, env, cwd, onProgress }: DemoRequest): MeshConfig {
  if (mesh !== undefined) return readMeshConfig(env, { mesh, cwd });
  for (let number = 1; number <= maxNames; number += 1) {
    const name = number === 1 ? "demo" : `demo-${number}`;
    const config = readMeshConfig(env, { mesh: name, cwd });
    if (isRunning(config)) continue;
    if (number > 1) onProgress(`a mesh "demo" is running already; this one is "${name}"`);
    return config;
  }
  throw new MeshError("user_error", `${maxNames} demos are running already`, { fix: "stop some: `lateen down --mesh demo`" });
}

function isRunning(config: MeshConfig): boolean {
  const holder = supervisorOf(config);
  return holder !== undefined && holder.pid !== process.pid;
}

async function freePort({ port, onProgress }: DemoRequest): Promise<number> {
  if (port !== undefined) return port;
  const wanted = wantedPort(shopFiles());
  try {
    const { server } = await openHostPort(wanted);
    await new Promise((resolve) => server.close(resolve));
    return wanted;
  } catch {
    onProgress(`port ${wanted} is taken; the gateway gets another one`);
    return 0;
  }
}
