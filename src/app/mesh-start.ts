// Everything `lateen up` and `lateen demo` do to start: read the files, start the processes, apply, and wait until all of it serves.

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Diagnostic } from "../api/diagnostic.ts";
import type { ApiClient } from "../http/client-types.ts";
import { UserError } from "../lib/errors.ts";
import { emptyLateenYaml, type LateenYaml, parseLateenYaml } from "../platform/local/lateen-yaml.ts";
import { type ApplyResult, applyResources, findingsAbout } from "./apply.ts";
import { envoyPathOf, type MeshConfig, runFiles } from "./config.ts";
import { externalImages, externalPods } from "./external-hosts.ts";
import { type Manifests, readManifests } from "./manifests.ts";
import { Supervisor } from "./supervisor.ts";
import { type Waiting, waitUntilReady } from "./wait-ready.ts";

export interface StartRequest {
  readonly config: MeshConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly files: readonly string[];
  /** Path of lateen.yaml; looked for beside the manifests when undefined. */
  readonly lateenYaml: string | undefined;
  /** Gateway port → host port, instead of lateen.yaml's. */
  readonly gatewayPorts?: Readonly<Record<string, number>> | undefined;
  readonly egress: boolean;
  /** The port with metrics, instead of lateen.yaml's. */
  readonly metricsPort?: number | "off" | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
  readonly onDiagnostic: (diagnostic: Diagnostic) => void;
  readonly onApplied: (result: ApplyResult) => void;
}

export interface StartedMesh {
  readonly supervisor: Supervisor;
  readonly client: ApiClient;
  readonly manifests: Manifests;
  /** When the first object was about to be applied, in milliseconds since the Unix epoch. */
  readonly applyStartMs: number;
  /** Empty when everything is ready; else what is not, and why. */
  readonly waiting: readonly Waiting[];
}

/** Starts a mesh. @throws UserError for bad flags and files, and what Supervisor.start throws; nothing is left running then. */
export async function startMesh(request: StartRequest): Promise<StartedMesh> {
  const { config, env, cwd } = request;
  const manifests = readManifests(request.files, { namespace: "default", cwd });
  for (const diagnostic of manifests.diagnostics) request.onDiagnostic(diagnostic);
  const { lateenYaml, baseDir } = readLateenYaml(request);
  const supervisor = await Supervisor.start({
    config,
    lateenYaml: { ...lateenYaml, images: { ...lateenYaml.images, ...externalImages(lateenYaml.external) } },
    baseDir,
    envoyPath: envoyPathOf(env),
    path: env["PATH"] ?? "",
    egress: request.egress,
    metricsPort: request.metricsPort,
    onWarning: request.onProgress,
  });
  try {
    request.onProgress("control plane and node are up");
    const applyStartMs = Date.now();
    const applied = await applyResources(supervisor.client, [
      ...externalPods(lateenYaml.external, runFiles.sharedDir(config.runDir)),
      ...manifests.resources,
    ]);
    request.onApplied(applied);
    const { timeoutMs, signal, onProgress } = request;
    const waiting = await waitUntilReady(supervisor.client, { timeoutMs, signal, onProgress });
    // Advice: a mesh that runs doesn't end because there is none.
    const { diagnostics } = await supervisor.client.diagnostics().catch(() => ({ diagnostics: [] }));
    for (const finding of findingsAbout(manifests.resources, diagnostics)) request.onDiagnostic(finding);
    return { supervisor, client: supervisor.client, manifests, applyStartMs, waiting };
  } catch (error) {
    await supervisor.close();
    throw error;
  }
}

interface FoundLateenYaml {
  readonly lateenYaml: LateenYaml;
  readonly baseDir: string;
}

function readLateenYaml(request: StartRequest): FoundLateenYaml {
  const path = request.lateenYaml === undefined ? findLateenYaml(request.files, request.cwd) : resolve(request.cwd, request.lateenYaml);
  if (path === undefined) return withPorts({ lateenYaml: emptyLateenYaml, baseDir: request.cwd }, request.gatewayPorts);
  if (!existsSync(path)) throw new UserError(`there is no file ${path}`, { fix: "check the path after --config" });
  const { value, diagnostics } = parseLateenYaml(readFileSync(path, "utf8"), path);
  for (const diagnostic of diagnostics) request.onDiagnostic(diagnostic);
  if (value === undefined) throw new UserError(`${path} has mistakes`, { fix: "correct what is listed above" });
  return withPorts({ lateenYaml: value, baseDir: dirname(path) }, request.gatewayPorts);
}

function withPorts(found: FoundLateenYaml, ports: StartRequest["gatewayPorts"]): FoundLateenYaml {
  if (ports === undefined) return found;
  return { ...found, lateenYaml: { ...found.lateenYaml, gateway: { ports: { ...found.lateenYaml.gateway.ports, ...ports } } } };
}

/** lateen.yaml beside the manifests, one folder above them, or in the current folder. */
function findLateenYaml(files: readonly string[], cwd: string): string | undefined {
  const folders = files
    .filter((file) => file !== "-")
    .map((file) => resolve(cwd, file))
    .map((path) => (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? path : dirname(path)))
    .flatMap((folder) => [folder, dirname(folder)]);
  return [...folders, cwd].map((folder) => join(folder, "lateen.yaml")).find((path) => existsSync(path));
}
