// `lateen up`: takes the run directory, starts control plane and node, gives the node what only the host has (ports, connections, DNS),
// and takes everything down again. In: options. Out: a running mesh.

import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { delimiter, dirname } from "node:path";
import { createApiClient } from "../http/client.ts";
import type { ApiClient } from "../http/client-types.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import type { LateenYaml } from "../platform/local/lateen-yaml.ts";
import { type MeshConfig, runFiles } from "./config.ts";
import { ControlPlaneProcess } from "./control-plane-process.ts";
import { MeshLog } from "./mesh-log.ts";
import { NodeHost } from "./node-host.ts";
import type { ControlPlaneOptions } from "./roles.ts";
import { type RunDirectory, takeRunDirectory } from "./run-dir.ts";
import { defaultMetricsPort } from "./telemetry/metrics-port.ts";

export interface SupervisorOptions {
  readonly config: MeshConfig;
  readonly lateenYaml: LateenYaml;
  /** Folder of lateen.yaml. */
  readonly baseDir: string;
  readonly envoyPath: string;
  readonly path: string;
  readonly egress: boolean;
  /** The port with metrics, where it isn't lateen.yaml's. */
  readonly metricsPort?: number | "off" | undefined;
  /** Lines for the person who watches. */
  readonly onWarning: (line: string) => void;
}

interface SupervisorParts {
  readonly controlPlane: ControlPlaneProcess;
  readonly node: NodeHost;
  readonly log: MeshLog;
}

export class Supervisor {
  readonly client: ApiClient;
  readonly #runDirectory: RunDirectory;
  readonly #controlPlane: ControlPlaneProcess;
  readonly #node: NodeHost;
  readonly #log: MeshLog;
  #closing: Promise<void> | undefined;

  private constructor(runDirectory: RunDirectory, parts: SupervisorParts) {
    this.#runDirectory = runDirectory;
    this.#controlPlane = parts.controlPlane;
    this.#node = parts.node;
    this.#log = parts.log;
    this.client = createApiClient({ socketPath: runFiles.apiSocket(runDirectory.path) });
  }

  /**
   * Starts control plane and node and resolves when both are ready.
   *
   * @throws UserError when the mesh is running already, a port is taken, or this machine can't make namespaces.
   */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { config } = options;
    const runDirectory = takeRunDirectory(config, randomUUID());
    const log = new MeshLog(runFiles.processLog(config.runDir, "mesh"));
    const logger = supervisorLogger(options, log);
    const common = { mesh: config.mesh, runDir: config.runDir, logLevel: config.logLevel, egress: options.egress };
    const controlPlane = new ControlPlaneProcess(
      { ...common, role: "control-plane", ...metricsOf(options), ...authorityOf(config) },
      logger,
    );
    const node = new NodeHost({
      options: {
        ...common,
        role: "node",
        envoyPath: options.envoyPath,
        images: options.lateenYaml.images,
        baseDir: options.baseDir,
        sharedDir: runFiles.sharedDir(config.runDir),
        path: [dirname(process.execPath), options.path].join(delimiter),
        home: homedir(),
      },
      gatewayPorts: new Map(Object.entries(options.lateenYaml.gateway.ports).map(([port, host]) => [Number(port), host])),
      onStderr: (chunk) => log.output("node", chunk),
    });
    const supervisor = new Supervisor(runDirectory, { controlPlane, node, log });
    try {
      await Promise.all([controlPlane.start(), node.start()]);
    } catch (error) {
      await supervisor.close();
      throw error;
    }
    return supervisor;
  }

  /** Gateway port → port on 127.0.0.1. */
  get gatewayPorts(): ReadonlyMap<number, number> {
    return this.#node.boundPorts;
  }

  /** Port on 127.0.0.1 with the metrics of the whole mesh; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.#controlPlane.metricsPort;
  }

  get controlPlanePid(): number | undefined {
    return this.#controlPlane.pid;
  }

  /** Resolves when the node process has ended by itself: the mesh is gone then. */
  get nodeExited(): Promise<string> {
    return this.#node.exited;
  }

  /** Takes everything down; idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.client.close();
    await Promise.all([this.#node.stop(), this.#controlPlane.stop()]);
    this.#log.close();
    this.#runDirectory.remove();
  }
}

/** Warnings are for the person who watches, too: of a mesh in the background nobody does. */
function supervisorLogger({ config, onWarning }: SupervisorOptions, log: MeshLog): Logger {
  const kept = createLogger("supervisor", config.logLevel, (line) => log.write(line));
  const told =
    (level: "warn" | "error"): Logger["warn"] =>
    (message, fields = {}) => {
      kept[level](message, fields);
      onWarning(`${message} ${JSON.stringify(fields)}`);
    };
  return { ...kept, warn: told("warn"), error: told("error") };
}

function metricsOf({ metricsPort, lateenYaml }: SupervisorOptions): Pick<ControlPlaneOptions, "metrics"> {
  const wanted = metricsPort ?? lateenYaml.metrics.port;
  if (wanted === "off") return {};
  return { metrics: wanted === undefined ? { port: defaultMetricsPort, whenTaken: "another" } : { port: wanted, whenTaken: "fail" } };
}

function authorityOf({
  certificateLifetimeMs,
  caDirectory,
}: MeshConfig): Pick<ControlPlaneOptions, "certificateLifetimeMs" | "caDirectory"> {
  return { certificateLifetimeMs, ...(caDirectory === undefined ? {} : { caDirectory }) };
}
