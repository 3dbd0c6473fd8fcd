// The facade of the local runtime: what a node agent needs to turn pod descriptions into namespaces and processes.
// Types only; `startFabric` in fabric.ts makes the one Fabric of a node process, everything else hangs off it.
// Nothing here knows the Kubernetes API: inputs are plain values, outputs are promises and callbacks.

import type { Server, Socket } from "node:net";
import type { Logger } from "../../lib/log.ts";
import type { DnsHost } from "./dns-answer.ts";
import type { Dial } from "./egress.ts";
import type { ServiceVip } from "./vip-rules.ts";

export type { DnsHost } from "./dns-answer.ts";
export type { Dial } from "./egress.ts";
export type { ServiceVip } from "./vip-rules.ts";

/** What `startFabric` needs. The node process must have been started by `startNodeProcess` (launch.ts). */
export interface FabricOptions {
  /** Runtime directory of the mesh, absolute, mode 0700. Files of a pod lie in `<runDir>/pods/<uid>/`; applications can't see any of it. */
  readonly runDir: string;
  /** The Envoy binary; needed once `startSidecar` is called. */
  readonly envoyPath?: string;
  /** Opens connections to the outside world; undefined = no egress, such connections are reset at once. */
  readonly dial?: Dial;
  /** Answers DNS queries about names that the mesh does not know: query bytes in, answer bytes out; undefined = NXDOMAIN for them. */
  readonly forwardDns?: (query: Uint8Array) => Promise<Uint8Array>;
  /** Directories searched for ip, nft, unshare, setpriv, sh, env; default: the usual system directories. */
  readonly toolPath?: string;
  readonly logger?: Logger;
}

/** The private network of one node process: a bridge with the pods on it. One per process. */
export interface Fabric {
  /** The fabric's own address on the bridge; connections of probes, gateways' forwarders and egress come from and go to it. */
  readonly address: string;
  /** Makes the network, UTS and IPC namespaces of a pod, its address, capture rules and DNS sockets. Nothing runs in it yet. */
  createPod(spec: PodSpec): Promise<PodSandbox>;
  /** Replaces what DNS knows (takes effect with the next query) and how plain pods reach virtual addresses. */
  updateNames(names: FabricNames): Promise<void>;
  /** Forwards every connection that `server` (a listening socket of the host, received over IPC) accepts to a pod's port. */
  forward(server: Server, target: ForwardTarget): Forward;
  /** Stops every pod (SIGKILL) and listener. The fabric's namespace itself goes with the node process. */
  close(): Promise<void>;
}

/** Everything that names and addresses mean inside the mesh at one moment. */
export interface FabricNames {
  /** Hosts by full name; `*.` wildcards allowed. A service `a` of namespace `b` is `a.b.svc.cluster.local`; short forms follow from it. */
  readonly hosts: readonly DnsHost[];
  /** Virtual addresses that pods *without* sidecar balance themselves; sidecars get theirs by xDS. */
  readonly vips: readonly ServiceVip[];
}

/** Which traffic of a pod goes through its sidecar; names follow Istio's annotations `traffic.sidecar.istio.io/*`. */
export interface CaptureSpec {
  /** Inbound ports captured; default: all (`*`). */
  readonly includeInboundPorts?: readonly number[];
  readonly excludeInboundPorts?: readonly number[];
  readonly excludeOutboundPorts?: readonly number[];
  /** CIDRs captured; default: all. */
  readonly includeOutboundIPRanges?: readonly string[];
  readonly excludeOutboundIPRanges?: readonly string[];
}

export interface PodSpec {
  /** Unique for ever; names the pod's directory, so letters, digits, `-` and `.` only. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Default: `name`, cut to 63 characters. */
  readonly hostname?: string;
  /** True: all TCP is captured for the Envoy that `startSidecar` starts. False: a plain pod with DNS and virtual addresses only. */
  readonly sidecar: boolean;
  readonly capture?: CaptureSpec;
  /** Further lines of /etc/hosts. */
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
}

/** A pod: namespaces with an address, in which containers and at most one sidecar run. */
export interface PodSandbox {
  readonly uid: string;
  /** The pod's address in 198.18.0.0/16. */
  readonly ip: string;
  /** `<runDir>/pods/<uid>`, exists from createPod to close; put volumes under `<dir>/volumes/`. */
  readonly dir: string;
  /** Starts a container's process; resolves once the process exists. Throws MeshError for what a manifest can get wrong (no such directory, mount impossible). */
  startContainer(spec: ContainerSpec): Promise<Container>;
  /** Writes the bootstrap and starts Envoy; resolves once it exists, see `Sidecar.ready`. */
  startSidecar(spec: SidecarSpec): Promise<Sidecar>;
  /** Listens on a port inside the pod until it is closed; its connections are handled here. @throws SyscallError when the port is taken. */
  listen(port: number, onConnection: (socket: Socket) => void): void;
  /** Connects to the application itself, never through the proxy. @throws SyscallError or Unavailable */
  dial(port: number, options: { readonly timeoutMs: number }): Promise<Socket>;
  /** Runs one probe against the application itself, never through the proxy. */
  probe(action: ProbeAction, options: ProbeOptions): Promise<ProbeResult>;
  /** SIGKILL for everything in the pod, then its namespaces, address and directory go. Idempotent. Stop containers first for a graceful end. */
  close(): Promise<void>;
}

export interface Volume {
  /** File or directory of the host. Those inside runDir must lie in the pod's own `dir`. */
  readonly hostPath: string;
  /** Absolute path in the container; need not exist on the host. */
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

/** One line of a container's output, without its newline; `partial`: longer than 16 KiB, goes on in the next. */
export interface LogLine {
  readonly stream: "stdout" | "stderr";
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly text: string;
  readonly partial: boolean;
}

/** How a process ended: `exitCode` as a shell reports it (128 + signal number when a signal ended it). */
export interface Exit {
  readonly exitCode: number;
  readonly signal?: string;
}

export interface ContainerSpec {
  readonly name: string;
  /** Argument vector, command first; resolved with PATH of `env`. */
  readonly argv: readonly [string, ...string[]];
  /** The whole environment; PATH and HOSTNAME are added when missing. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute directory (host path or inside a volume). */
  readonly workingDir: string;
  readonly volumes?: readonly Volume[];
  /** Numeric user and group; only root can run others than itself. */
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  /** Log file in CRI format (`<time> <stream> F|P <text>`); the one of the run before becomes `<logFile>.previous`. About 10 MB are kept: `<logFile>.1` and `<logFile>`. */
  readonly logFile?: string;
  readonly onLog?: (line: LogLine) => void;
  /** Called once, after the last log line. */
  readonly onExit?: (exit: Exit) => void;
}

/** A running container: its own PID and mount namespaces in its pod. */
export interface Container {
  readonly name: string;
  /** PID of the container's init in the node's PID namespace; killing it ends the container. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** SIGKILL to everything in the container, at once. */
  kill(): void;
  /** SIGTERM to the application, after `graceMs` SIGKILL to everything in the container. Resolves with how it ended. */
  stop(options: { readonly graceMs: number }): Promise<Exit>;
  /** Sends a signal to the application's first process. False when there is none. */
  signal(signal: NodeJS.Signals): boolean;
  /** Runs a command inside the container with the same limits and environment. */
  exec(spec: ExecSpec): Promise<ExecResult>;
}

export interface ExecSpec {
  readonly argv: readonly [string, ...string[]];
  readonly timeoutMs?: number;
  /** Bytes for its stdin. */
  readonly input?: Uint8Array;
  readonly onOutput?: (stream: "stdout" | "stderr", chunk: Uint8Array) => void;
}

/** `output`: the first 64 KiB of stdout and stderr as they came. */
export interface ExecResult extends Exit {
  readonly output: string;
  readonly timedOut: boolean;
}

export interface SidecarSpec {
  /** Envoy's bootstrap as proto3 JSON; its admin address must be the pipe `adminPath`. */
  readonly bootstrap: Readonly<Record<string, unknown>>;
  /** Unix socket of Envoy's admin; put it under the pod's `dir` (at most 107 bytes). */
  readonly adminPath: string;
  /** `--drain-time-s`; default 45 (Istio: terminationDrainDuration 5 s applies at shutdown, see caller). */
  readonly drainTimeSeconds?: number;
  /** `--log-level`; default `warning` (Istio: global.proxy.logLevel). */
  readonly logLevel?: string;
  readonly extraArgs?: readonly string[];
  readonly logFile?: string;
  readonly onLog?: (line: LogLine) => void;
  readonly onExit?: (exit: Exit) => void;
}

/** A running Envoy; restarting it is the caller's decision (call startSidecar again). */
export interface Sidecar {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Resolves when admin `/ready` says LIVE; rejects with its last log lines when Envoy ends first or the deadline passes. */
  ready(options: { readonly timeoutMs: number }): Promise<void>;
  /** One request to Envoy's admin, e.g. `POST /healthcheck/fail`. */
  admin(method: "GET" | "POST", path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** SIGTERM, after `graceMs` SIGKILL; drain its listeners by `admin` before. Resolves with how it ended. */
  stop(options: { readonly graceMs: number }): Promise<Exit>;
  kill(): void;
}

/** What a probe does; field names of Kubernetes' Probe. Ports are numbers (the caller resolves names). */
export type ProbeAction =
  | {
      readonly kind: "httpGet";
      readonly port: number;
      /** Default `/`. */
      readonly path?: string;
      /** Default HTTP; certificates are not verified, as in Kubernetes. */
      readonly scheme?: "HTTP" | "HTTPS";
      readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: "tcpSocket"; readonly port: number }
  | { readonly kind: "grpc"; readonly port: number; readonly service?: string }
  | { readonly kind: "exec"; readonly container: Container; readonly command: readonly [string, ...string[]] };

export interface ProbeOptions {
  readonly timeoutMs: number;
}

/** `reason` says in a few words what was seen, also on success. */
export interface ProbeResult {
  readonly success: boolean;
  readonly reason: string;
}

export interface ForwardTarget {
  readonly address: string;
  readonly port: number;
  /** Connections at the same time; further ones are reset; default 1024. */
  readonly maxConnections?: number;
}

export interface Forward {
  /** New connections go to this target from now on; those open stay. */
  retarget(target: ForwardTarget): void;
  /** Stops accepting and resets what is open. */
  close(): Promise<void>;
}
