// The only reader of environment and of where things live: one documented, validated object per process.
// Parts get their slice of it in their constructors.

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, delimiter, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDuration } from "../lib/duration.ts";
import { UserError } from "../lib/errors.ts";
import type { LogLevel } from "../lib/log.ts";

/** Unix socket paths end at 107 bytes (sun_path of unix(7) less the final zero); our longest file name below the run directory takes 50. */
const maxRunDirBytes = 57;

export interface MeshConfig {
  /** The mesh's name: `--mesh`, `LATEEN_MESH`, or the current folder's name. */
  readonly mesh: string;
  /** Everything of a running mesh: sockets, store, logs, pod files; it goes with the mesh. */
  readonly runDir: string;
  /** False when the name is only the current folder's: the one mesh that runs is meant then. */
  readonly isNamed: boolean;
  readonly logLevel: LogLevel;
  /** Life of workload certificates; `LATEEN_CERTIFICATE_TTL`, 24 h. */
  readonly certificateLifetimeMs: number;
  /** Folder with Istio's plug-in CA files (ca-cert.pem, ca-key.pem, root-cert.pem, cert-chain.pem); `LATEEN_CA_DIRECTORY`. Unset: a root of its own. */
  readonly caDirectory?: string;
}

export interface Environment {
  readonly [name: string]: string | undefined;
}

/** A mesh name from any text: lower case letters, digits and hyphens, at most 24 characters. */
export function meshNameOf(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 24)
    .replace(/-+$/, "");
  return name === "" ? "mesh" : name;
}

/**
 * Reads the configuration every command needs.
 *
 * @throws UserError when the mesh name is not one or the runtime directory's path is too long for Unix sockets.
 */
export function readMeshConfig(env: Environment, flags: { readonly mesh?: string | undefined; readonly cwd: string }): MeshConfig {
  const given = flags.mesh ?? env["LATEEN_MESH"];
  if (given !== undefined && given !== meshNameOf(given)) {
    throw new UserError(`"${given}" is not a mesh name`, {
      fix: `use lower case letters, digits and hyphens, at most 24 characters: ${meshNameOf(given)}`,
    });
  }
  const caDirectory = env["LATEEN_CA_DIRECTORY"];
  const mesh = given ?? meshNameOf(basename(flags.cwd));
  const runDir = join(runtimeRoot(env), mesh);
  if (Buffer.byteLength(runDir) > maxRunDirBytes) {
    throw new UserError(`the runtime directory ${runDir} is longer than ${maxRunDirBytes} bytes, too long for Unix sockets in it`, {
      fix: "set XDG_RUNTIME_DIR to a shorter path, or give a shorter --mesh name",
    });
  }
  return {
    mesh,
    runDir,
    isNamed: given !== undefined,
    logLevel: logLevelOf(env["LATEEN_LOG"]),
    certificateLifetimeMs: certificateLifetimeOf(env["LATEEN_CERTIFICATE_TTL"]),
    ...(caDirectory === undefined || caDirectory === "" ? {} : { caDirectory: resolve(flags.cwd, caDirectory) }),
  };
}

/** Istio's DEFAULT_WORKLOAD_CERT_TTL and MAX_WORKLOAD_CERT_TTL are 24 h and 90 days; ours never lives longer than a day. */
const dayMs = 24 * 3_600_000;

function certificateLifetimeOf(text: string | undefined): number {
  if (text === undefined || text === "") return dayMs;
  const lifetime = parseDuration(text);
  if (lifetime !== undefined && lifetime >= 2000 && lifetime <= dayMs) return lifetime;
  throw new UserError(`LATEEN_CERTIFICATE_TTL=${text} is not a certificate's life`, { fix: "use 2s to 24h, for example 12h" });
}

/** Where all meshes of this user live: `$XDG_RUNTIME_DIR/lateen`, or `lateen-<uid>` in the temporary directory. */
export function runtimeRoot(env: Environment): string {
  const runtime = env["XDG_RUNTIME_DIR"];
  if (runtime !== undefined && runtime !== "" && isWritableDirectory(runtime)) return join(runtime, "lateen");
  return join(tmpdir(), `lateen-${process.getuid?.() ?? 0}`);
}

function isWritableDirectory(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function logLevelOf(text: string | undefined): LogLevel {
  if (text === undefined || text === "") return "info";
  if (text === "debug" || text === "info" || text === "warn" || text === "error") return text;
  throw new UserError(`LATEEN_LOG=${text} is not a log level`, { fix: "use debug, info, warn or error" });
}

/**
 * Finds the Envoy binary: `$ENVOY_PATH`, which bin/lateen and `npm run` set to one of the right version; else the cache that set-up
 * fills; else `PATH`, whose version nobody has looked at.
 *
 * @throws UserError that says what to do when there is none.
 */
export function envoyPathOf(env: Environment): string {
  const named = env["ENVOY_PATH"];
  if (named !== undefined && named !== "") {
    if (isExecutable(named)) return resolve(named);
    throw new UserError(`ENVOY_PATH names ${named}, which is not an executable file`, {
      fix: "unset ENVOY_PATH, or point it at an Envoy 1.40 binary",
    });
  }
  const given = env["XDG_CACHE_HOME"] ?? "";
  const cache = isAbsolute(given) ? given : join(homedir(), ".cache");
  const candidates = [
    join(cache, "lateen", "envoy-1.40.0", "envoy", "_bin", "envoy"),
    ...(env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "envoy")),
  ];
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  throw new UserError("there is no Envoy binary on this machine", {
    fix: "run `npm run setup`, or set ENVOY_PATH to an Envoy 1.40 binary",
  });
}

/**
 * When the person's command started, in milliseconds since the Unix epoch: before the set-up of `npm run`, which leaves the time in
 * LATEEN_COMMAND_START; else this process's own start.
 */
export function readCommandStart(env: Environment): number {
  const given = Number(env["LATEEN_COMMAND_START"] ?? Number.NaN);
  return given > 0 && given <= performance.timeOrigin ? given : performance.timeOrigin;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** How to start this program again for another role: the Node binary and the arguments before the role's own. */
export function selfCommand(): readonly [string, ...string[]] {
  const script = process.argv[1] ?? fileURLToPath(import.meta.url);
  return [process.execPath, ...process.execArgv, existsSync(script) ? resolve(script) : script];
}

/** The names inside a mesh's runtime directory; every socket's path is made here. */
export const runFiles = {
  lock: (runDir: string) => join(runDir, "supervisor.json"),
  apiSocket: (runDir: string) => join(runDir, "api.sock"),
  store: (runDir: string) => join(runDir, "store.db"),
  /** The mesh's certificate authority; only its owner's. */
  authority: (runDir: string) => join(runDir, "ca"),
  xdsDir: (runDir: string) => join(runDir, "xds"),
  xdsSocket: (runDir: string, podUid: string) => join(runDir, "xds", `${podUid}.sock`),
  podDir: (runDir: string, podUid: string) => join(runDir, "pods", podUid),
  adminSocket: (runDir: string, podUid: string) => join(runDir, "pods", podUid, "admin.sock"),
  /** Where the node answers the control plane: pods' pages of metrics. */
  nodeSocket: (runDir: string) => join(runDir, "node.sock"),
  /** The control plane's, for spans of applications; the node's, for connections of the control plane to pods. */
  otlpSocket: (runDir: string) => join(runDir, "otlp.sock"),
  reachSocket: (runDir: string) => join(runDir, "reach.sock"),
  /** Targets and, of `lateen dashboard prometheus`, its data. */
  prometheusDir: (runDir: string) => join(runDir, "prometheus"),
  logsDir: (runDir: string) => join(runDir, "logs"),
  processLog: (runDir: string, role: string) => join(runDir, "logs", `${role}.log`),
  /** Beside the runtime directory, which containers cannot see. */
  sharedDir: (runDir: string) => `${runDir}.shared`,
} as const;
