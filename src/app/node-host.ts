// The host's half of the node: opens loopback ports, connections and DNS queries on the host's network for the node process in its own.

import type { Server } from "node:net";
import { MeshError } from "../lib/errors.ts";
import { createHostResolver, serveDnsQueries } from "../platform/local/dns-forward.ts";
import { serveDials } from "../platform/local/egress-dialer.ts";
import { openHostPort, sendHostPort } from "../platform/local/forward.ts";
import { type NodeProcess, startNodeProcess } from "../platform/local/launch.ts";
import { selfCommand } from "./config.ts";
import { roleArgument } from "./role-argument.ts";
import type { NodeOptions } from "./roles.ts";

export interface NodeHostOptions {
  readonly options: NodeOptions;
  /** Gateway port → host port; 0 = any free one. */
  readonly gatewayPorts: ReadonlyMap<number, number>;
  /** What the node process logs, as it comes. */
  readonly onStderr: (chunk: Buffer) => void;
}

const stopGraceMs = 5000;

export class NodeHost {
  readonly #options: NodeHostOptions;
  readonly #bound = new Map<number, number>();
  #servers: { readonly name: string; readonly server: Server }[] = [];
  #process: NodeProcess | undefined;
  #starting: Promise<void> = Promise.resolve();
  readonly #exited = Promise.withResolvers<string>();

  constructor(options: NodeHostOptions) {
    this.#options = options;
  }

  get boundPorts(): ReadonlyMap<number, number> {
    return this.#bound;
  }

  get exited(): Promise<string> {
    return this.#exited.promise;
  }

  /** Opens the host's ports and starts the node. @throws UserError when a port is taken; Unavailable when namespaces can't be made. */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    await this.#openPorts();
    const { options, onStderr } = this.#options;
    const [command, ...args] = selfCommand();
    this.#process = await startNodeProcess({
      command,
      args: [...args, roleArgument, JSON.stringify(options)],
      env: { PATH: options.path, HOME: options.home },
      cwd: "/",
      onStart: (channel) => {
        if (options.egress) serveDials(channel);
        serveDnsQueries(channel, createHostResolver());
      },
      onStderr,
    });
    for (const { name, server } of this.#servers) await sendHostPort(this.#process.channel, name, server);
    void this.#process.exited.then(({ exitCode, signal }) => this.#exited.resolve(signal ?? `exit code ${exitCode}`));
  }

  async stop(): Promise<void> {
    for (const { server } of this.#servers) server.close();
    // A node that is just starting would be left running.
    await this.#starting.catch(() => {});
    await this.#process?.stop({ graceMs: stopGraceMs });
  }

  async #openPorts(): Promise<void> {
    for (const [gatewayPort, hostPort] of this.#options.gatewayPorts) {
      try {
        const { server, port } = await openHostPort(hostPort);
        this.#bound.set(gatewayPort, port);
        this.#servers.push({ name: String(gatewayPort), server });
      } catch (error) {
        for (const { server } of this.#servers) server.close();
        throw MeshError.from(error);
      }
    }
  }
}
