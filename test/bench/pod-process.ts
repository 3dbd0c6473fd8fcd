// A pod without a node: a network namespace with capture rules, in which Envoys, backends and clients run. For one real Envoy in a
// world of simulated ones, and for measuring Envoys. Root or ordinary user.

import { fileURLToPath } from "node:url";
import { z } from "zod";
import { captureRules } from "../../src/platform/local/capture.ts";
import { needsUserNamespace } from "../../src/platform/local/launch.ts";
import { findTool, findTools } from "../../src/platform/local/tools.ts";
import type { BenchContext } from "./benchmark.ts";
import { Helper } from "./ipc-calls.ts";
import { startProcess, stopProcess } from "./workspace.ts";

const loadSchema = z.object({ requests: z.number(), failures: z.number(), seconds: z.number(), medianMs: z.number(), p99Ms: z.number() });
const seenSchema = z.object({ atMs: z.number(), requests: z.number(), failures: z.number(), longestGapMs: z.number() });

export interface Target {
  readonly address: string;
  readonly port: number;
  /** The Host header. */
  readonly host: string;
}

export interface EnvoyStart {
  readonly bootstrap: Readonly<Record<string, unknown>>;
  readonly adminPath: string;
  /** Folder for its file and its log. */
  readonly folder: string;
  readonly name: string;
  readonly core: 0 | 1;
}

export interface Load {
  readonly seconds: number;
  readonly connections: number;
  /** Over all connections, each at its own times; as fast as answers come unless given. */
  readonly requestsPerSecond?: number;
}

export interface PodProcess {
  readonly pid: number;
  readonly address: string;
  /** Starts an HTTP server that answers everything with `body`. */
  backend(address: string, port: number, body: string): Promise<void>;
  /** Starts an Envoy; resolves with its process id once it is ready. */
  envoy(start: EnvoyStart): Promise<number>;
  /** Sends requests one after another until one is answered with `body`; when that was (epoch ms), and how many went wrong. */
  until(target: Target, body: string): Promise<z.output<typeof seenSchema>>;
  /** Sends requests over so many connections that stay open: so many a second, or as many as are answered. */
  load(target: Target, options: Load): Promise<z.output<typeof loadSchema>>;
  /** Makes a cable's end that another pod has put here the way to it. */
  follow(cable: { readonly name: string; readonly address: string }): Promise<void>;
}

export interface PodNetwork {
  readonly podAddress: string;
  /** Addresses that answer in the pod itself, in place of other pods. */
  readonly endpointAddresses: readonly string[];
  /** A pod that it shares a cable with: all that it sends goes there. */
  readonly neighbour?: PodProcess;
}

/** Starts it on core 1. */
export async function startPodProcess(context: BenchContext, { neighbour, ...network }: PodNetwork): Promise<PodProcess> {
  const program = fileURLToPath(new URL("pod-program.ts", import.meta.url));
  const { setpriv } = findTools();
  // Tied to us from inside as well: making a user namespace forgets it.
  const command = [...namespaceCommand(neighbour), setpriv, "--pdeathsig", "KILL", process.execPath];
  const child = startProcess([...command, "--disable-warning=ExperimentalWarning", program], {
    core: 1,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  context.cleanup.defer(() => stopProcess(child, "SIGKILL"));
  const helper = new Helper(child);
  const cable = neighbour && { name: `to${helper.pid}`, pid: neighbour.pid };
  await helper.call("network", { ...network, cable, rules: captureRules(network.podAddress) });
  if (cable !== undefined) await neighbour?.follow({ name: cable.name, address: network.podAddress });
  return {
    pid: helper.pid,
    address: network.podAddress,
    backend: async (address, port, body) => void (await helper.call("backend", { address, port, body })),
    envoy: async (start) => z.number().parse(await helper.call("envoy", { ...start, program: context.envoyPath })),
    until: async (target, body) => seenSchema.parse(await helper.call("until", { ...target, body })),
    load: async (target, options) => loadSchema.parse(await helper.call("load", { ...target, ...options })),
    follow: async ({ name, address }) => void (await helper.call("follow", { name, address, source: network.podAddress })),
  };
}

/** A network namespace of its own; an ordinary user's needs a user namespace, the same for neighbours: only then may one reach into the other. */
function namespaceCommand(neighbour: PodProcess | undefined): readonly string[] {
  const { unshare } = findTools();
  if (!needsUserNamespace()) return [unshare, "-n"];
  if (neighbour === undefined) return [unshare, "-U", "-r", "-n"];
  const nsenter = findTool("nsenter");
  if (nsenter === undefined) throw new Error("the program nsenter (package util-linux) is not installed");
  return [nsenter, "--target", String(neighbour.pid), "--user", "--preserve-credentials", unshare, "-n"];
}
