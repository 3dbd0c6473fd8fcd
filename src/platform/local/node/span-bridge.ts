// The node's part in traces: pods' OTLP connections go to the control plane's socket, with a line before them that says whose they are, and connections
// of the control plane go to pods, to which spans are sent on. Bytes are carried, not read.

import { unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Logger } from "../../../lib/log.ts";
import { otlpPorts } from "../capture.ts";
import { joinSockets } from "../join-sockets.ts";

export interface SpanBridgeOptions {
  /** The fabric's own address. */
  readonly address: string;
  /** The control plane's socket for OTLP. */
  readonly collectorPath: string;
  /** Opened here for the control plane. */
  readonly reachPath: string;
  /** Connects to the application in the pod with this address; rejects when there is none. */
  readonly dial: (address: string, port: number) => Promise<Socket>;
  /** Where pods send to; those of OTLP unless given. */
  readonly ports?: readonly number[];
  readonly logger: Logger;
}

const maxConnections = 1024;
/** Of one pod: exporters need one. */
const maxOfPod = 32;
const maxLine = 64;

export class SpanBridge {
  readonly #options: SpanBridgeOptions;
  readonly #servers: Server[] = [];
  readonly #open = new Map<string, number>();

  constructor(options: SpanBridgeOptions) {
    this.#options = options;
  }

  /** Opens the ports and the socket. What can't be opened is told, and the mesh goes on without it. */
  listen(): void {
    const { address, reachPath, ports = otlpPorts, logger } = this.#options;
    try {
      unlinkSync(reachPath);
    } catch {
      // There was none.
    }
    const open = (server: Server, place: { readonly port: number; readonly host: string } | { readonly path: string }): void => {
      server.maxConnections = maxConnections;
      server.on("error", (error) => logger.error("spans can't be carried", { ...place, error: error.message }));
      server.listen(place);
      this.#servers.push(server);
    };
    for (const port of ports)
      open(
        createServer({ allowHalfOpen: true }, (socket) => this.#carry(socket, port)),
        { port, host: address },
      );
    open(
      createServer({ allowHalfOpen: true }, (socket) => this.#reach(socket)),
      { path: reachPath },
    );
  }

  close(): void {
    for (const server of this.#servers) server.close();
  }

  #carry(pod: Socket, port: number): void {
    pod.on("error", () => {});
    const source = pod.remoteAddress ?? "";
    const count = this.#open.get(source) ?? 0;
    if (count >= maxOfPod) return void pod.resetAndDestroy();
    this.#open.set(source, count + 1);
    pod.once("close", () => {
      const left = (this.#open.get(source) ?? 1) - 1;
      if (left === 0) this.#open.delete(source);
      else this.#open.set(source, left);
    });
    const collector = connect({ path: this.#options.collectorPath, allowHalfOpen: true });
    collector.write(`PROXY TCP4 ${source} ${this.#options.address} ${pod.remotePort ?? 0} ${port}\r\n`);
    joinSockets(pod, collector);
  }

  /** A first line "<address> <port>", answered by "ok" or by what went wrong; then bytes. */
  #reach(client: Socket): void {
    client.on("error", () => {});
    let read = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf("\n");
      if (end === -1 && read.length > maxLine) return void client.destroy();
      if (end === -1) return;
      client.off("data", onData);
      client.pause();
      const [address = "", port = ""] = read.subarray(0, end).toString("latin1").split(" ");
      client.unshift(read.subarray(end + 1));
      this.#options.dial(address, Number(port)).then(
        (pod) => {
          client.write("ok\n");
          joinSockets(client, pod);
        },
        (error: unknown) => client.end(`${error instanceof Error ? error.message.replaceAll("\n", " ") : "failed"}\n`),
      );
    };
    client.on("data", onData);
  }
}
